INSERT INTO derivation_outputs (derivation_id, name, output_id)
VALUES (?1, ?2, (SELECT id FROM outputs WHERE output = ?3))
