SELECT o.name, p.output, o.output_id
  FROM derivation_outputs o JOIN outputs p ON p.id = o.output_id
 WHERE o.derivation_id = ?1
 ORDER BY o.name
