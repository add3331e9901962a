INSERT OR IGNORE INTO build_allocation_agent_requested_systems (agent_id, system_id)
SELECT ?1, id FROM systems WHERE system = ?2
