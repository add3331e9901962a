-- The Guix Build Coordinator's tables: what the post shows of them, and for the
-- rest what is likely, with types such as the driver interprets.
CREATE TABLE agents (id TEXT PRIMARY KEY, description TEXT, name TEXT, active NOT NULL DEFAULT 1);
CREATE TABLE agent_passwords (id INTEGER PRIMARY KEY, agent_id TEXT, password TEXT, created_at TIMESTAMP);
CREATE TABLE tags (id INTEGER PRIMARY KEY, key TEXT, value TEXT);
CREATE TABLE agent_tags (agent_id TEXT, tag_id INTEGER);
CREATE TABLE systems (id INTEGER PRIMARY KEY, system TEXT);
CREATE TABLE derivations (id INTEGER PRIMARY KEY, name TEXT, system_id INTEGER, fixed_output BOOLEAN);
CREATE TABLE outputs (id INTEGER PRIMARY KEY, output TEXT);
CREATE TABLE derivation_outputs (id INTEGER PRIMARY KEY, derivation_id INTEGER, name TEXT, output_id INTEGER);
CREATE TABLE derivation_inputs (derivation_id INTEGER, derivation_output_id INTEGER);
CREATE TABLE builds (id INTEGER PRIMARY KEY, uuid TEXT, derivation_id INTEGER, priority INTEGER, processed BOOLEAN,
       canceled BOOLEAN, created_at DATETIME, end_time DATETIME, deferred_until DATETIME);
CREATE TABLE build_tags (build_id INTEGER, tag_id INTEGER);
CREATE TABLE build_results (build_id INTEGER, agent_id TEXT, result TEXT, failure_reason TEXT);
