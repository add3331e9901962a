SELECT DISTINCT agent_id FROM allocated_builds
