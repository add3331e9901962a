SELECT id FROM agents WHERE name = ?1 ORDER BY rowid LIMIT 1
