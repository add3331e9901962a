-- What became of derivations, given by their rows.
SELECT d.id, d.name,
       (SELECT max(o.built) FROM derivation_outputs m JOIN outputs o ON o.id = m.output_id WHERE m.derivation_id = d.id),
       (SELECT b.uuid FROM builds b WHERE b.derivation_id = d.id AND b.canceled = 0 ORDER BY b.id DESC LIMIT 1),
       d.makes, d.needs
  FROM derivations d
 WHERE d.id IN (SELECT value FROM json_each(?1))
