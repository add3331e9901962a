-- The outputs that a derivation needs, with the last result of the builds
-- that could have made each: a success counts for ever.
SELECT o.output_id,
       (SELECT max(r.result = 'success')
          FROM derivation_outputs p
          JOIN builds b ON b.derivation_id = p.derivation_id
          JOIN build_results r ON r.build_id = b.id
         WHERE p.output_id = o.output_id),
       (SELECT max(r.build_id)
          FROM derivation_outputs p
          JOIN builds b ON b.derivation_id = p.derivation_id
          JOIN build_results r ON r.build_id = b.id
         WHERE p.output_id = o.output_id AND r.result = 'failure')
  FROM derivation_inputs i JOIN derivation_outputs o ON o.id = i.derivation_output_id
 WHERE i.derivation_id = ?1
 GROUP BY o.output_id
