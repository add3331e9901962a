INSERT INTO evaluations (collection_id, number, revision, created_at) VALUES (?1, ?2, ?3, ?4)
