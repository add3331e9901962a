SELECT build_id FROM build_results WHERE result = 'failure' AND build_id > ?1 ORDER BY build_id LIMIT ?2
