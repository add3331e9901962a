INSERT OR IGNORE INTO tags (key, value) VALUES (?1, ?2)
