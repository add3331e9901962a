SELECT p.id, p.package, s.system, p.target, p.told, v.first, v.last, v.derivation_id, v.error
  FROM collection_packages p
  JOIN systems s ON s.id = p.system_id
  JOIN package_derivations v ON v.package_id = p.id
 WHERE p.collection_id = ?1
 ORDER BY p.package, s.system, p.target, p.id, v.first
