DELETE FROM agent_passwords WHERE agent_id = ?1
