SELECT p.id, p.package, s.system, p.target, p.told, d.name, v.error
  FROM collection_packages p
  JOIN systems s ON s.id = p.system_id
  JOIN package_derivations v ON v.package_id = p.id AND v.last IS NULL
  LEFT JOIN derivations d ON d.id = v.derivation_id
 WHERE p.collection_id = ?1
