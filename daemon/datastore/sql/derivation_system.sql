SELECT s.system FROM derivations d JOIN systems s ON s.id = d.system_id WHERE d.id = ?1
