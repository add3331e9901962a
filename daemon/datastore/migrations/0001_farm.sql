-- The layout of agents is the one that the post "Tiny Build Farm for Guix"
-- shows, to the letter: people run its SQL on this table.
CREATE TABLE agents (
       id TEXT PRIMARY KEY,
       description TEXT
, name TEXT, active NOT NULL DEFAULT 1);

-- password holds a salted hash, never the password.
CREATE TABLE agent_passwords (
       id INTEGER PRIMARY KEY,
       agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
       password TEXT NOT NULL,
       created_at TEXT NOT NULL
);
CREATE INDEX agent_passwords_agent ON agent_passwords (agent_id);

-- An agent that is not here works as usual.
CREATE TABLE agent_modes (
       agent_id TEXT PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
       mode TEXT NOT NULL CHECK (mode IN ('paused', 'draining'))
);
-- With one of these, of which only salted hashes are kept, an agent enrols
-- under a name of its own; or, if an agent is named here, under this name only.
CREATE TABLE dynamic_auth_tokens (
       id INTEGER PRIMARY KEY,
       token TEXT NOT NULL,
       description TEXT,
       created_at TEXT NOT NULL,
       expires_at TEXT,
       agent TEXT
);

CREATE TABLE tags (
       id INTEGER PRIMARY KEY,
       key TEXT NOT NULL,
       value TEXT NOT NULL,
       UNIQUE (key, value)
);
CREATE TABLE agent_tags (
       agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
       tag_id INTEGER NOT NULL REFERENCES tags (id),
       PRIMARY KEY (agent_id, tag_id)
) WITHOUT ROWID;

CREATE TABLE systems (
       id INTEGER PRIMARY KEY,
       system TEXT NOT NULL UNIQUE
);
-- What each agent asked builds for, when it last asked.
CREATE TABLE build_allocation_agent_requested_systems (
       agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
       system_id INTEGER NOT NULL REFERENCES systems (id),
       PRIMARY KEY (agent_id, system_id)
) WITHOUT ROWID;

-- inputs, needs and makes are lists of row numbers as packed.go packs them:
-- the derivations that it refers to, the outputs of those that it needs, and
-- its own outputs. There are tens of inputs to each derivation; as rows they
-- would be most of the database, and most of the time to read it at start.
CREATE TABLE derivations (
       id INTEGER PRIMARY KEY,
       name TEXT NOT NULL UNIQUE,
       system_id INTEGER NOT NULL REFERENCES systems (id),
       fixed_output INTEGER NOT NULL,
       inputs BLOB NOT NULL,
       needs BLOB NOT NULL,
       makes BLOB NOT NULL
);
-- What the builds of an output came to: whether one succeeded, the newest one
-- that failed, and whether an agent said since that it cannot get the output.
CREATE TABLE outputs (
       id INTEGER PRIMARY KEY,
       output TEXT NOT NULL UNIQUE,
       built INTEGER NOT NULL DEFAULT 0,
       failed_build INTEGER,
       lost INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX outputs_known ON outputs (id, built, failed_build, lost)
 WHERE built OR lost OR failed_build IS NOT NULL;
CREATE INDEX outputs_failed ON outputs (failed_build) WHERE failed_build IS NOT NULL;
CREATE TABLE derivation_outputs (
       id INTEGER PRIMARY KEY,
       derivation_id INTEGER NOT NULL REFERENCES derivations (id),
       name TEXT NOT NULL,
       output_id INTEGER NOT NULL REFERENCES outputs (id),
       UNIQUE (derivation_id, name)
);
CREATE INDEX derivation_outputs_output ON derivation_outputs (output_id);
-- Derivations below which everything has a build that is not canceled. When a
-- build is canceled all of them are forgotten.
CREATE TABLE complete_graphs (
       derivation_id INTEGER PRIMARY KEY REFERENCES derivations (id)
);

CREATE TABLE builds (
       id INTEGER PRIMARY KEY,
       uuid TEXT NOT NULL UNIQUE,
       derivation_id INTEGER NOT NULL REFERENCES derivations (id),
       priority INTEGER NOT NULL DEFAULT 0,
       processed INTEGER NOT NULL DEFAULT 0,
       canceled INTEGER NOT NULL DEFAULT 0,
       created_at TEXT NOT NULL,
       end_time TEXT,
       deferred_until TEXT
);
CREATE INDEX builds_derivation ON builds (derivation_id);
CREATE INDEX builds_ended ON builds (id, end_time, processed, canceled) WHERE processed = 1 OR canceled = 1;
CREATE INDEX builds_canceled ON builds (id) WHERE canceled = 1;
CREATE INDEX builds_unprocessed ON builds (id) WHERE processed = 0 AND canceled = 0;
CREATE TABLE build_tags (
       build_id INTEGER NOT NULL REFERENCES builds (id),
       tag_id INTEGER NOT NULL REFERENCES tags (id),
       PRIMARY KEY (build_id, tag_id)
) WITHOUT ROWID;
CREATE INDEX build_tags_tag ON build_tags (tag_id);

CREATE TABLE allocated_builds (
       build_id INTEGER PRIMARY KEY REFERENCES builds (id),
       agent_id TEXT NOT NULL REFERENCES agents (id),
       started INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX allocated_builds_agent ON allocated_builds (agent_id);
-- Builds that were taken from an agent because it did not report any more.
CREATE TABLE lost_allocations (
       id INTEGER PRIMARY KEY,
       build_id INTEGER NOT NULL REFERENCES builds (id),
       agent_id TEXT NOT NULL REFERENCES agents (id),
       lost_at TEXT NOT NULL
);
CREATE INDEX lost_allocations_build ON lost_allocations (build_id);
-- Agents that handed a build back: they may say so twice.
CREATE TABLE released_allocations (
       build_id INTEGER NOT NULL REFERENCES builds (id),
       agent_id TEXT NOT NULL REFERENCES agents (id),
       PRIMARY KEY (build_id, agent_id)
) WITHOUT ROWID;
CREATE TABLE build_starts (
       id INTEGER PRIMARY KEY,
       build_id INTEGER NOT NULL REFERENCES builds (id),
       agent_id TEXT NOT NULL REFERENCES agents (id),
       start_time TEXT NOT NULL
);
CREATE INDEX build_starts_build ON build_starts (build_id);
CREATE TABLE build_results (
       build_id INTEGER PRIMARY KEY REFERENCES builds (id),
       agent_id TEXT REFERENCES agents (id), -- NULL if none had to do with it
       result TEXT NOT NULL CHECK (result IN ('success', 'failure')),
       failure_reason TEXT
);
CREATE INDEX build_results_failure ON build_results (build_id) WHERE result = 'failure';
CREATE TABLE output_metadata (
       build_id INTEGER NOT NULL REFERENCES builds (id),
       derivation_output_id INTEGER NOT NULL REFERENCES derivation_outputs (id),
       hash TEXT NOT NULL,
       size INTEGER NOT NULL,
       store_references TEXT NOT NULL, -- base names, separated by blanks
       PRIMARY KEY (build_id, derivation_output_id)
) WITHOUT ROWID;

CREATE TABLE setup_failures (
       id INTEGER PRIMARY KEY,
       build_id INTEGER NOT NULL REFERENCES builds (id),
       agent_id TEXT NOT NULL REFERENCES agents (id),
       failure_reason TEXT NOT NULL,
       created_at TEXT NOT NULL
);
CREATE INDEX setup_failures_build ON setup_failures (build_id);
CREATE TABLE setup_failure_missing_inputs (
       setup_failure_id INTEGER NOT NULL REFERENCES setup_failures (id),
       missing_input TEXT NOT NULL,
       PRIMARY KEY (setup_failure_id, missing_input)
) WITHOUT ROWID;

-- Events that a hook has still to be told, one row for each hook; see package
-- hooks.
CREATE TABLE unprocessed_hook_events (
       id INTEGER PRIMARY KEY AUTOINCREMENT, -- never one that was used before
       hook TEXT NOT NULL,
       event TEXT NOT NULL,
       subject TEXT NOT NULL, -- UUID of the build or agent; its events stay in order
       arguments TEXT NOT NULL, -- JSON
       created_at TEXT NOT NULL,
       attempts INTEGER NOT NULL DEFAULT 0,
       not_before TEXT,
       parked INTEGER NOT NULL DEFAULT 0,
       error TEXT
);
CREATE INDEX unprocessed_hook_events_due ON unprocessed_hook_events (id) WHERE NOT parked;
CREATE INDEX unprocessed_hook_events_parked ON unprocessed_hook_events (id) WHERE parked;
