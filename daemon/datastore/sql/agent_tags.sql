SELECT t.key, t.value FROM agent_tags a JOIN tags t ON t.id = a.tag_id WHERE a.agent_id = ?1 ORDER BY t.key, t.value
