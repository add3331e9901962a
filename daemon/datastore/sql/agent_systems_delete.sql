DELETE FROM build_allocation_agent_requested_systems WHERE agent_id = ?1
