UPDATE allocated_builds SET started = 1 WHERE build_id = ?1
