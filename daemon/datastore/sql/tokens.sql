SELECT id, token, description, created_at, expires_at, agent FROM dynamic_auth_tokens ORDER BY id
