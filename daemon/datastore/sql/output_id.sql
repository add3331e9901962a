INSERT INTO outputs (output) VALUES (?1) ON CONFLICT (output) DO UPDATE SET output = excluded.output RETURNING id
