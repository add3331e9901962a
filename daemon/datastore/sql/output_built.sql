UPDATE outputs SET built = 1, failed_build = NULL, lost = 0 WHERE id = ?1
