INSERT INTO derivations (id, name, system_id, fixed_output, inputs, needs, makes) VALUES (?, ?, ?, ?, ?, ?, ?)
