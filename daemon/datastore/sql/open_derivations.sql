-- The derivations that have unfinished builds, unless an output was built.
SELECT d.id, d.makes, d.needs
  FROM builds b INDEXED BY builds_unprocessed
  JOIN derivations d ON d.id = b.derivation_id
 WHERE b.processed = 0 AND b.canceled = 0
   AND NOT EXISTS (SELECT 1 FROM derivation_outputs m JOIN outputs o ON o.id = m.output_id
                    WHERE m.derivation_id = d.id AND o.built)
