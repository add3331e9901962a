SELECT s.system
  FROM build_allocation_agent_requested_systems r JOIN systems s ON s.id = r.system_id
 WHERE r.agent_id = ?1
 ORDER BY s.system
