-- Looks at all, which takes a tenth of a second for a million.
SELECT id FROM builds
 WHERE id > ?1
   AND (?3 IS NULL OR priority > ?3)
   AND (?4 IS NULL OR priority < ?4)
   AND (?5 IS NULL OR created_at > ?5)
   AND (?6 IS NULL OR created_at < ?6)
 ORDER BY id
 LIMIT ?2
