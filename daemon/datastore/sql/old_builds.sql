-- Finished builds that ended before a time, or that newer ones outnumber.
SELECT b.id, b.uuid
  FROM builds b INDEXED BY builds_ended
 WHERE (b.processed = 1 OR b.canceled = 1)
   AND ((?1 IS NOT NULL AND b.end_time < ?1) OR (?2 IS NOT NULL AND b.id <= ?2))
 ORDER BY b.id
 LIMIT ?3
