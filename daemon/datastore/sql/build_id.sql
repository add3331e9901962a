SELECT id FROM builds WHERE uuid = ?1
