INSERT INTO builds (uuid, derivation_id, priority, created_at, deferred_until) VALUES (?1, ?2, ?3, ?4, ?5)
