-- Sets of packages of which the farm gives an account. spec is the
-- daemon.Collection as JSON.
CREATE TABLE collections (
       id INTEGER PRIMARY KEY,
       name TEXT NOT NULL UNIQUE,
       spec TEXT NOT NULL,
       declared INTEGER NOT NULL,
       updating INTEGER NOT NULL DEFAULT 0, -- an update has begun and not ended
       attempted_at TEXT,
       updated_at TEXT,
       trouble TEXT -- why the last update failed
);
-- Each time that the derivations of a collection were computed; number counts
-- from 1.
CREATE TABLE evaluations (
       collection_id INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
       number INTEGER NOT NULL,
       revision TEXT NOT NULL,
       created_at TEXT NOT NULL,
       PRIMARY KEY (collection_id, number)
) WITHOUT ROWID;
-- told is what hooks were told of the package last: 1 that it builds, 2 that
-- it does not, 0 nothing.
CREATE TABLE collection_packages (
       id INTEGER PRIMARY KEY,
       collection_id INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
       package TEXT NOT NULL,
       system_id INTEGER NOT NULL REFERENCES systems (id),
       target TEXT NOT NULL,
       told INTEGER NOT NULL DEFAULT 0,
       UNIQUE (collection_id, package, system_id, target)
);
-- What a package was from one evaluation to another, both included: a
-- derivation, or an error. Most packages do not change from one evaluation to
-- the next, and then nothing is added. While it holds, last is NULL.
CREATE TABLE package_derivations (
       package_id INTEGER NOT NULL REFERENCES collection_packages (id) ON DELETE CASCADE,
       first INTEGER NOT NULL,
       last INTEGER,
       derivation_id INTEGER REFERENCES derivations (id),
       error TEXT,
       PRIMARY KEY (package_id, first)
) WITHOUT ROWID;
CREATE INDEX package_derivations_current ON package_derivations (derivation_id) WHERE last IS NULL;
