DELETE FROM setup_failures WHERE build_id = ?1
