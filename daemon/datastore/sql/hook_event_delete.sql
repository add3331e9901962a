DELETE FROM unprocessed_hook_events WHERE id = ?1
