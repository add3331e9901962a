SELECT EXISTS (SELECT 1 FROM released_allocations WHERE build_id = ?1 AND agent_id = ?2)
