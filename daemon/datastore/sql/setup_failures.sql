SELECT f.id, b.uuid, d.name, f.agent_id, f.failure_reason, f.created_at,
       (SELECT count(*) FROM setup_failure_missing_inputs m WHERE m.setup_failure_id = f.id)
  FROM setup_failures f
  JOIN builds b ON b.id = f.build_id
  JOIN derivations d ON d.id = b.derivation_id
 WHERE f.id < ?1
 ORDER BY f.id DESC
 LIMIT ?2
