-- Canceled builds were not processed. One index has these and one the others.
SELECT id FROM builds WHERE processed = 0 AND canceled = 0 AND id > ?1
 UNION ALL
SELECT id FROM builds WHERE processed = 0 AND canceled = 1 AND id > ?1
 ORDER BY id
 LIMIT ?2
