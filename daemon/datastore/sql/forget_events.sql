-- Events below an id that have been kept for long enough, by number or by time.
DELETE FROM events WHERE id < ?1 AND (id <= ?2 OR created_at < ?3)
