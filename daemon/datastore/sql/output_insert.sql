INSERT INTO outputs (output) VALUES (?) ON CONFLICT (output) DO NOTHING
