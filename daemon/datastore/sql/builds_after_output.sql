-- Few derivations make the same output.
SELECT b.id
  FROM outputs p
  JOIN derivation_outputs o ON o.output_id = p.id
  JOIN builds b ON b.derivation_id = o.derivation_id
 WHERE p.output = ?3 AND b.id > ?1
 ORDER BY b.id
 LIMIT ?2
