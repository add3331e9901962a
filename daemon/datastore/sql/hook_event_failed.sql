UPDATE unprocessed_hook_events SET attempts = attempts + 1, error = ?2, not_before = ?3, parked = ?4 WHERE id = ?1
