INSERT INTO derivation_outputs (derivation_id, name, output_id)
SELECT ?1, ?2, id FROM outputs WHERE output = ?3
