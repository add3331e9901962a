SELECT id FROM builds WHERE canceled = 1 AND id > ?1 ORDER BY id LIMIT ?2
