INSERT INTO outputs (id, output) VALUES (?, ?) ON CONFLICT (output) DO NOTHING
