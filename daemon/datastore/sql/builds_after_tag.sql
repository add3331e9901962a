SELECT build_id FROM build_tags
 WHERE tag_id = (SELECT id FROM tags WHERE key = ?3 AND value = ?4) AND build_id > ?1
 ORDER BY build_id
 LIMIT ?2
