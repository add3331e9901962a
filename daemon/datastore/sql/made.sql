-- The successful builds of the output that has a name from ?1 to before ?2,
-- newest first.
SELECT b.uuid, d.name, o.name, p.output, m.hash, m.size, m.store_references
  FROM outputs p
  JOIN derivation_outputs o ON o.output_id = p.id
  JOIN derivations d ON d.id = o.derivation_id
  JOIN builds b ON b.derivation_id = d.id
  JOIN output_metadata m ON m.build_id = b.id AND m.derivation_output_id = o.id
 WHERE p.output >= ?1 AND p.output < ?2
 ORDER BY b.id DESC
