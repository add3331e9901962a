INSERT INTO setup_failures (build_id, agent_id, failure_reason, created_at) VALUES (?1, ?2, ?3, ?4)
