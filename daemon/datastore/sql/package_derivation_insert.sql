INSERT INTO package_derivations (package_id, first, derivation_id, error) VALUES (?1, ?2, ?3, ?4)
