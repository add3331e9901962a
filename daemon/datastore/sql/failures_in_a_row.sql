SELECT count(*)
  FROM builds b JOIN build_results r ON r.build_id = b.id
 WHERE b.derivation_id = ?1 AND r.result = 'failure'
   AND b.id > coalesce((SELECT max(s.id) FROM builds s JOIN build_results t ON t.build_id = s.id
                         WHERE s.derivation_id = ?1 AND t.result = 'success'), 0)
