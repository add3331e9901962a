SELECT agent_id, start_time FROM build_starts WHERE build_id = ?1 ORDER BY id
