SELECT id, name, description, active FROM agents WHERE ?1 IS NULL OR id = ?1 ORDER BY rowid
