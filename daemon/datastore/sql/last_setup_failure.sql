SELECT failure_reason FROM setup_failures WHERE build_id = ?1 AND agent_id = ?2 ORDER BY id DESC LIMIT 1
