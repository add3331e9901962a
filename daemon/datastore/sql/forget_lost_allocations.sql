DELETE FROM lost_allocations WHERE build_id = ?1
