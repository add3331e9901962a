SELECT b.id, b.uuid, b.derivation_id, d.name, s.system, b.priority, b.processed, b.canceled,
       b.created_at, b.end_time, b.deferred_until, a.agent_id, a.started, r.agent_id, r.result, r.failure_reason
  FROM builds b
  JOIN derivations d ON d.id = b.derivation_id
  JOIN systems s ON s.id = d.system_id
  LEFT JOIN allocated_builds a ON a.build_id = b.id
  LEFT JOIN build_results r ON r.build_id = b.id
 WHERE b.id > coalesce((SELECT id FROM builds WHERE uuid = ?1), 0)
   AND (?2 IS NULL OR b.processed = ?2)
   AND (?3 IS NULL OR b.canceled = ?3)
   AND (?4 IS NULL OR s.system = ?4)
   AND (?5 IS NULL OR EXISTS (SELECT 1 FROM build_tags x JOIN tags t ON t.id = x.tag_id
                               WHERE x.build_id = b.id AND t.key = ?5 AND (?6 IS NULL OR t.value = ?6)))
 ORDER BY b.id
 LIMIT ?7
