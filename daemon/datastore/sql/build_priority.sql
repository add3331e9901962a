UPDATE builds SET priority = ?2 WHERE id = ?1
