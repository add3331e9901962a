INSERT OR IGNORE INTO build_tags (build_id, tag_id) SELECT ?1, id FROM tags WHERE key = ?2 AND value = ?3
