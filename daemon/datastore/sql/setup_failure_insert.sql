INSERT INTO setup_failures (build_id, agent_id, failure_reason, created_at, details) VALUES (?1, ?2, ?3, ?4, ?5)
