INSERT INTO derivation_outputs (derivation_id, name, output_id) VALUES (?1, ?2, ?3)
