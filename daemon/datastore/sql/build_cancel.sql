UPDATE builds SET canceled = 1, end_time = ?2 WHERE id = ?1
