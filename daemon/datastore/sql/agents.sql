SELECT a.id, a.name, a.description, a.active, m.mode
  FROM agents a LEFT JOIN agent_modes m ON m.agent_id = a.id
 WHERE ?1 IS NULL OR a.id = ?1
 ORDER BY a.rowid
