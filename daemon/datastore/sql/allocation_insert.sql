INSERT INTO allocated_builds (build_id, agent_id) VALUES (?1, ?2)
