SELECT id, created_at, event FROM events WHERE id > ?1 ORDER BY id LIMIT ?2
