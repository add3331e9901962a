INSERT INTO build_starts (build_id, agent_id, start_time) VALUES (?1, ?2, ?3)
