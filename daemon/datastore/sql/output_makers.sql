-- The derivations that make an output, the one that was stored last first,
-- and whether one of them has an unfinished build.
SELECT o.output_id, d.id, d.name,
       EXISTS (SELECT 1 FROM builds b WHERE b.derivation_id = d.id AND b.processed = 0 AND b.canceled = 0)
  FROM outputs p
  JOIN derivation_outputs o ON o.output_id = p.id
  JOIN derivations d ON d.id = o.derivation_id
 WHERE p.output = ?1
 ORDER BY d.id DESC
