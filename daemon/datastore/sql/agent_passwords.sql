SELECT password, created_at FROM agent_passwords WHERE agent_id = ?1 ORDER BY id
