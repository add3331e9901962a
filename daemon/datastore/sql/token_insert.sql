INSERT INTO dynamic_auth_tokens (token, description, created_at, expires_at, agent) VALUES (?1, ?2, ?3, ?4, ?5)
