INSERT INTO derivation_outputs (derivation_id, name, output_id) VALUES (?, ?, ?)
