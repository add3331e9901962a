UPDATE outputs SET lost = 1 WHERE id = ?1
