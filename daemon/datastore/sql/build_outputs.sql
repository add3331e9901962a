SELECT o.name, p.output, m.hash, m.size, m.store_references
  FROM derivation_outputs o
  JOIN outputs p ON p.id = o.output_id
  LEFT JOIN output_metadata m ON m.derivation_output_id = o.id AND m.build_id = ?2
 WHERE o.derivation_id = ?1
 ORDER BY o.name
