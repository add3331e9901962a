-- Looks at all, which takes a tenth of a second for a million.
SELECT b.id
  FROM builds b
 CROSS JOIN derivations d ON d.id = b.derivation_id
 WHERE b.id > ?1
   AND (?3 IS NULL OR d.system_id IN (SELECT id FROM systems WHERE system IN (SELECT value FROM json_each(?3))))
   AND (?4 IS NULL OR d.system_id NOT IN (SELECT id FROM systems WHERE system IN (SELECT value FROM json_each(?4))))
 ORDER BY b.id
 LIMIT ?2
