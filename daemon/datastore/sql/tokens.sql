SELECT id, token, description, created_at, expires_at FROM dynamic_auth_tokens ORDER BY id
