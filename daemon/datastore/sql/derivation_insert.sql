INSERT INTO derivations (name, system_id, fixed_output, inputs, needs, makes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
