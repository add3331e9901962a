SELECT b.uuid, d.name, b.priority
  FROM allocated_builds a JOIN builds b ON b.id = a.build_id JOIN derivations d ON d.id = b.derivation_id
 WHERE a.agent_id = ?1
 ORDER BY b.priority DESC, b.id
