-- What became of the derivations of a collection; one may come several times.
SELECT d.id, d.name,
       (SELECT max(o.built) FROM derivation_outputs m JOIN outputs o ON o.id = m.output_id WHERE m.derivation_id = d.id),
       (SELECT b.uuid FROM builds b WHERE b.derivation_id = d.id AND b.canceled = 0 ORDER BY b.id DESC LIMIT 1),
       d.makes, d.needs
  FROM collection_packages p
  JOIN package_derivations v ON v.package_id = p.id
  JOIN derivations d ON d.id = v.derivation_id
 WHERE p.collection_id = ?1
