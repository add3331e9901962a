INSERT INTO derivations (name, system_id, fixed_output)
SELECT ?1, id, ?3 FROM systems WHERE system = ?2
