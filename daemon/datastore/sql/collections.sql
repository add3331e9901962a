SELECT c.id, c.spec, c.declared, c.updating, c.attempted_at, c.updated_at, c.trouble, e.number, e.revision, e.created_at
  FROM collections c
  LEFT JOIN evaluations e ON e.collection_id = c.id
   AND e.number = (SELECT max(number) FROM evaluations l WHERE l.collection_id = c.id)
 WHERE ?1 IS NULL OR c.name = ?1
 ORDER BY c.name
