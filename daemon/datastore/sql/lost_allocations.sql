SELECT count(*), coalesce(sum(agent_id = ?2), 0) FROM lost_allocations WHERE build_id = ?1
