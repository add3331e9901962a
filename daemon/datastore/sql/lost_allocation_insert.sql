INSERT INTO lost_allocations (build_id, agent_id, lost_at) VALUES (?1, ?2, ?3)
