INSERT INTO agents (id, description, name) VALUES (?1, ?2, ?3)
