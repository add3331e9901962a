SELECT b.uuid, d.name, b.priority,
       (SELECT json_group_array(json_object('key', t.key, 'value', t.value) ORDER BY t.key, t.value)
          FROM build_tags bt JOIN tags t ON t.id = bt.tag_id
         WHERE bt.build_id = b.id)
  FROM allocated_builds a JOIN builds b ON b.id = a.build_id JOIN derivations d ON d.id = b.derivation_id
 WHERE a.agent_id = ?1
 ORDER BY b.priority DESC, b.id
