-- What happened, for those who follow the stream of events. Ids grow by one; the
-- newest row is never deleted, so that none is used twice.
CREATE TABLE events (
       id INTEGER PRIMARY KEY,
       created_at INTEGER NOT NULL, -- seconds since 1970
       event TEXT NOT NULL -- JSON
);

-- The last report of each agent.
CREATE TABLE agent_status (
       agent_id TEXT PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
       status TEXT NOT NULL,
       load_average_1min REAL NOT NULL,
       processor_count INTEGER NOT NULL,
       timestamp TEXT NOT NULL
);
-- How many builds each agent could have had when that was announced last.
CREATE TABLE build_allocation_plan_counts (
       agent_id TEXT PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
       count INTEGER NOT NULL
);
