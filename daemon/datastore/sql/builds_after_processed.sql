SELECT build_id FROM build_results WHERE build_id > ?1 ORDER BY build_id LIMIT ?2
