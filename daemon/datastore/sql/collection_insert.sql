INSERT INTO collections (name, spec, declared) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, declared = excluded.declared
