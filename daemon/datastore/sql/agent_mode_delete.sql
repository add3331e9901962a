DELETE FROM agent_modes WHERE agent_id = ?1
