SELECT id, created_at FROM events WHERE id = (SELECT min(id) FROM events)
