SELECT a.id, a.name, a.description, a.active, m.mode,
       s.status, s.load_average_1min, s.processor_count, s.timestamp, p.count
  FROM agents a
  LEFT JOIN agent_modes m ON m.agent_id = a.id
  LEFT JOIN agent_status s ON s.agent_id = a.id
  LEFT JOIN build_allocation_plan_counts p ON p.agent_id = a.id
 WHERE ?1 IS NULL OR a.id = ?1
 ORDER BY a.rowid
