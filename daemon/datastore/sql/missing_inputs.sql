SELECT missing_input FROM setup_failure_missing_inputs WHERE setup_failure_id = ?1 ORDER BY missing_input LIMIT ?2
