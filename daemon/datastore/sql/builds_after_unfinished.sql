SELECT id FROM builds WHERE processed = 0 AND canceled = 0 AND id > ?1 ORDER BY id LIMIT ?2
