UPDATE builds SET deferred_until = ?2 WHERE id = ?1
