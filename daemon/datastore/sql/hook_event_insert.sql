INSERT INTO unprocessed_hook_events (hook, event, subject, arguments, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
