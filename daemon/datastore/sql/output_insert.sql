INSERT OR IGNORE INTO outputs (output) VALUES (?1)
