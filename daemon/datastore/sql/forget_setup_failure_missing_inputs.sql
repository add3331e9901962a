DELETE FROM setup_failure_missing_inputs WHERE setup_failure_id IN (SELECT id FROM setup_failures WHERE build_id = ?1)
