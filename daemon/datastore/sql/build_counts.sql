SELECT s.system,
       sum(b.processed = 0 AND b.canceled = 0),
       sum(coalesce(r.result = 'success', 0)),
       sum(coalesce(r.result = 'failure', 0)),
       sum(b.canceled)
  FROM builds b
  JOIN derivations d ON d.id = b.derivation_id
  JOIN systems s ON s.id = d.system_id
  LEFT JOIN build_results r ON r.build_id = b.id
 GROUP BY s.system
 ORDER BY s.system
