SELECT id FROM builds INDEXED BY builds_ended WHERE processed = 1 OR canceled = 1 ORDER BY id DESC LIMIT 1 OFFSET ?1
