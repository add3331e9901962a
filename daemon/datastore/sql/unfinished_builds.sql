SELECT b.id, s.system, b.priority, b.deferred_until, a.agent_id, d.makes, d.needs
  FROM builds b
  JOIN derivations d ON d.id = b.derivation_id
  JOIN systems s ON s.id = d.system_id
  LEFT JOIN allocated_builds a ON a.build_id = b.id
 WHERE b.processed = 0 AND b.canceled = 0
 ORDER BY b.id
