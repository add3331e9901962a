-- The failed outputs that no unfinished build makes anew, with the derivation
-- that failed; of several that make an output, the one whose build it was.
SELECT o.id, d.id, d.name, b.uuid, b.end_time
  FROM outputs o INDEXED BY outputs_known
 CROSS JOIN derivation_outputs m ON m.output_id = o.id
  JOIN derivations d ON d.id = m.derivation_id
  LEFT JOIN builds b ON b.id = o.failed_build
 WHERE (o.built OR o.lost OR o.failed_build IS NOT NULL)
   AND NOT o.built AND o.failed_build IS NOT NULL
   AND (b.id IS NULL OR b.derivation_id = d.id)
   AND NOT EXISTS (SELECT 1 FROM derivation_outputs t JOIN builds n ON n.derivation_id = t.derivation_id
                    WHERE t.output_id = o.id AND n.processed = 0 AND n.canceled = 0)
