INSERT INTO agent_passwords (agent_id, password, created_at) VALUES (?1, ?2, ?3)
