INSERT OR REPLACE INTO build_allocation_plan_counts (agent_id, count) VALUES (?1, ?2)
