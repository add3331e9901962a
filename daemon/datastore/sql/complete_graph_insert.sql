INSERT OR IGNORE INTO complete_graphs (derivation_id) VALUES (?1)
