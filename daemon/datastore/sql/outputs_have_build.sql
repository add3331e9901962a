SELECT EXISTS (
  SELECT 1
    FROM derivation_outputs mine
    JOIN derivation_outputs any ON any.output_id = mine.output_id
    JOIN builds b ON b.derivation_id = any.derivation_id
   WHERE mine.derivation_id = ?1 AND b.canceled = 0)
