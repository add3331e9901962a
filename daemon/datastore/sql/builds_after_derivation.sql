SELECT id FROM builds
 WHERE derivation_id = (SELECT id FROM derivations WHERE name = ?3) AND id > ?1
 ORDER BY id
 LIMIT ?2
