INSERT INTO build_results (build_id, agent_id, result, failure_reason) VALUES (?1, ?2, ?3, ?4)
