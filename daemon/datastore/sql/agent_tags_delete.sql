DELETE FROM agent_tags WHERE agent_id = ?1
