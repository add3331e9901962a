INSERT OR IGNORE INTO released_allocations (build_id, agent_id) VALUES (?1, ?2)
