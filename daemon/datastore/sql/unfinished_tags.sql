SELECT b.id, t.key, t.value
  FROM builds b JOIN build_tags x ON x.build_id = b.id JOIN tags t ON t.id = x.tag_id
 WHERE b.processed = 0 AND b.canceled = 0
 ORDER BY b.id
