SELECT number, revision, created_at FROM evaluations WHERE collection_id = ?1 ORDER BY number
