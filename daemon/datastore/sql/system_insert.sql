INSERT OR IGNORE INTO systems (system) VALUES (?1)
