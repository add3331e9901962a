UPDATE collections SET updating = 1, attempted_at = ?2 WHERE id = ?1
