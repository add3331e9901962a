INSERT INTO collection_packages (collection_id, package, system_id, target) SELECT ?1, ?2, id, ?4 FROM systems WHERE system = ?3
    ON CONFLICT DO UPDATE SET target = excluded.target RETURNING id
