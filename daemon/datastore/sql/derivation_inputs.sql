SELECT d.name, d.inputs, c.derivation_id IS NOT NULL
  FROM derivations d LEFT JOIN complete_graphs c ON c.derivation_id = d.id
 WHERE d.id = ?1
