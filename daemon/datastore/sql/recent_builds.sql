SELECT b.id, b.uuid, b.derivation_id, d.name, s.system, b.priority, b.processed, b.canceled,
       b.created_at, b.end_time, b.deferred_until, a.agent_id, a.started, r.agent_id, r.result, r.failure_reason
  FROM builds b
  JOIN derivations d ON d.id = b.derivation_id
  JOIN systems s ON s.id = d.system_id
  LEFT JOIN allocated_builds a ON a.build_id = b.id
  LEFT JOIN build_results r ON r.build_id = b.id
 ORDER BY b.id DESC
 LIMIT ?1
