SELECT EXISTS (SELECT 1 FROM builds WHERE derivation_id = ?1 AND processed = 0 AND canceled = 0)
