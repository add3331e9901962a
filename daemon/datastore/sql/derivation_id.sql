SELECT id FROM derivations WHERE name = ?1
