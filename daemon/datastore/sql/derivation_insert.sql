INSERT INTO derivations (name, system_id, fixed_output, inputs, needs, makes) VALUES (?, ?, ?, ?, ?, ?)
