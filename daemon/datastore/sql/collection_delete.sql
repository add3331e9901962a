DELETE FROM collections WHERE name = ?1
