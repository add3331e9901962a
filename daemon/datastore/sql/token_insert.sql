INSERT INTO dynamic_auth_tokens (token, description, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)
