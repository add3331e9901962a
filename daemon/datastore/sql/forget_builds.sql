DELETE FROM builds WHERE id = ?1
