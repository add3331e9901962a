SELECT coalesce(max(id), 0) FROM outputs
 WHERE built OR lost OR failed_build IS NOT NULL
