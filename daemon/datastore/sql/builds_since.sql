SELECT count(*) FROM builds WHERE derivation_id = ?1 AND created_at >= ?2
