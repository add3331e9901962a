SELECT x.build_id FROM tags t JOIN build_tags x ON x.tag_id = t.id WHERE t.key = ?3 AND x.build_id > ?1 LIMIT ?2
