UPDATE collections SET updating = 0, trouble = ?2, updated_at = CASE WHEN ?2 IS NULL THEN attempted_at ELSE updated_at END WHERE id = ?1
