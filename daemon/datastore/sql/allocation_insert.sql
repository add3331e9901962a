-- A build that ended earlier in the same transaction stays as it is.
INSERT INTO allocated_builds (build_id, agent_id)
SELECT id, ?2 FROM builds WHERE id = ?1 AND processed = 0 AND canceled = 0
