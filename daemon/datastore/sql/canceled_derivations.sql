-- The newest build of each derivation, where that was canceled.
SELECT b.uuid, d.makes, d.needs
  FROM builds b INDEXED BY builds_canceled JOIN derivations d ON d.id = b.derivation_id
 WHERE b.canceled = 1
   AND b.id = (SELECT max(id) FROM builds n WHERE n.derivation_id = b.derivation_id)
 ORDER BY d.id
