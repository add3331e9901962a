INSERT INTO events (created_at, event) VALUES (?1, ?2)
