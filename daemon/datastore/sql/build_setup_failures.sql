SELECT f.id, f.agent_id, f.failure_reason, f.created_at, f.details, m.missing_input
  FROM setup_failures f LEFT JOIN setup_failure_missing_inputs m ON m.setup_failure_id = f.id
 WHERE f.build_id = ?1
 ORDER BY f.id, m.missing_input
