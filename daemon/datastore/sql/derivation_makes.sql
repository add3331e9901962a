SELECT makes FROM derivations WHERE id = ?1
