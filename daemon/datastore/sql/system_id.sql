SELECT id FROM systems WHERE system = ?1
