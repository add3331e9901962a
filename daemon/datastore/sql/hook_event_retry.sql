UPDATE unprocessed_hook_events SET attempts = 0, not_before = NULL, parked = 0 WHERE parked AND (?1 IS NULL OR id = ?1)
