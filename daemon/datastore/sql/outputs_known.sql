SELECT id, built, failed_build, lost
  FROM outputs
 WHERE id IN (SELECT value FROM json_each(?1)) AND (built OR lost OR failed_build IS NOT NULL)
