DELETE FROM dynamic_auth_tokens WHERE id = ?1
