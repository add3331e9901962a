SELECT created_at FROM builds WHERE id = ?1
