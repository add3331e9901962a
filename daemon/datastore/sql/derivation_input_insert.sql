INSERT INTO derivation_inputs (derivation_id, derivation_output_id)
SELECT ?1, o.id
  FROM derivations d JOIN derivation_outputs o ON o.derivation_id = d.id
 WHERE d.name = ?2 AND o.name = ?3
