INSERT OR REPLACE INTO agent_status (agent_id, status, load_average_1min, processor_count, timestamp)
VALUES (?1, ?2, ?3, ?4, ?5)
