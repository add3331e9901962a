SELECT s.system, d.makes, d.needs FROM derivations d JOIN systems s ON s.id = d.system_id WHERE d.id = ?1
