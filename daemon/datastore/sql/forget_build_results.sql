DELETE FROM build_results WHERE build_id = ?1
