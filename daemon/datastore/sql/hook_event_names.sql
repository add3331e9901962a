SELECT event, parked FROM unprocessed_hook_events ORDER BY id LIMIT ?1
