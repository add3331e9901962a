SELECT b.uuid
  FROM builds b JOIN derivations d ON d.id = b.derivation_id
 WHERE b.id IN (SELECT value FROM json_each(?1)) AND d.fixed_output
 ORDER BY b.id DESC
 LIMIT 1
