DELETE FROM released_allocations WHERE build_id = ?1
