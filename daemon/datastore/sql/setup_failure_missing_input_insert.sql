INSERT OR IGNORE INTO setup_failure_missing_inputs (setup_failure_id, missing_input) VALUES (?1, ?2)
