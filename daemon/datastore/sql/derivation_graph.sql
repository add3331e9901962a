-- The derivations that the outputs of a derivation are built from, itself
-- excluded, inputs before those that need them as far as ids tell.
WITH RECURSIVE graph (id) AS (
  SELECT o.derivation_id
    FROM derivation_inputs i JOIN derivation_outputs o ON o.id = i.derivation_output_id
   WHERE i.derivation_id = ?1
  UNION
  SELECT o.derivation_id
    FROM graph g
    JOIN derivation_inputs i ON i.derivation_id = g.id
    JOIN derivation_outputs o ON o.id = i.derivation_output_id
)
-- CROSS JOIN is a JOIN in the order written: SQLite would look through all
-- derivations for those that are in the graph.
SELECT g.id, d.name FROM graph g CROSS JOIN derivations d ON d.id = g.id ORDER BY g.id
