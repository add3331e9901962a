SELECT count(*), coalesce(sum(failure_reason <> ?2), 0) FROM setup_failures WHERE build_id = ?1
