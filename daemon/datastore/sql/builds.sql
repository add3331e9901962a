SELECT b.id, b.uuid, b.derivation_id, d.name, s.system, b.priority, b.processed, b.canceled,
       b.created_at, b.end_time, b.deferred_until, a.agent_id, a.started, r.agent_id, r.result, r.failure_reason
  FROM builds b
  JOIN derivations d ON d.id = b.derivation_id
  JOIN systems s ON s.id = d.system_id
  LEFT JOIN allocated_builds a ON a.build_id = b.id
  LEFT JOIN build_results r ON r.build_id = b.id
 WHERE b.id IN (SELECT value FROM json_each(?1))
   AND (?2 IS NULL OR b.processed = ?2)
   AND (?3 IS NULL OR b.canceled = ?3)
   AND (?4 IS NULL OR s.system IN (SELECT value FROM json_each(?4)))
   AND (?5 IS NULL OR s.system NOT IN (SELECT value FROM json_each(?5)))
   AND (?6 IS NULL OR b.priority > ?6)
   AND (?7 IS NULL OR b.priority < ?7)
   AND (?8 IS NULL OR b.created_at > ?8)
   AND (?9 IS NULL OR b.created_at < ?9)
   AND (?10 IS NULL OR d.name = ?10)
   -- Tags are objects with a key and, unless any value will do, a value.
   AND (?11 IS NULL OR NOT EXISTS (
         SELECT 1 FROM json_each(?11) w
          WHERE NOT EXISTS (SELECT 1 FROM build_tags x JOIN tags t ON t.id = x.tag_id
                             WHERE x.build_id = b.id AND t.key = json_extract(w.value, '$.key')
                               AND t.value = coalesce(json_extract(w.value, '$.value'), t.value))))
   AND (?12 IS NULL OR NOT EXISTS (
         SELECT 1 FROM json_each(?12) w
          WHERE EXISTS (SELECT 1 FROM build_tags x JOIN tags t ON t.id = x.tag_id
                         WHERE x.build_id = b.id AND t.key = json_extract(w.value, '$.key')
                           AND t.value = coalesce(json_extract(w.value, '$.value'), t.value))))
   AND (?13 IS NULL OR EXISTS (
         SELECT 1 FROM derivation_outputs o JOIN outputs p ON p.id = o.output_id
          WHERE o.derivation_id = b.derivation_id AND p.output = ?13))
   AND (?14 IS NULL OR r.result = ?14)
 ORDER BY b.id
 LIMIT ?15
