INSERT INTO agent_modes (agent_id, mode) VALUES (?1, ?2)
