SELECT id, hook, event, subject, arguments, created_at, attempts, not_before, parked, error
  FROM unprocessed_hook_events
 WHERE id > ?1 AND parked = ?2
 ORDER BY id
 LIMIT ?3
