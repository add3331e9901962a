INSERT OR IGNORE INTO agent_tags (agent_id, tag_id) SELECT ?1, id FROM tags WHERE key = ?2 AND value = ?3
