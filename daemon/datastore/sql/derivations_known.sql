SELECT p.key FROM json_each(?1) p CROSS JOIN derivations d ON d.name = p.value
