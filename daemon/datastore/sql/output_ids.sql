SELECT p.key, o.id FROM json_each(?1) p CROSS JOIN outputs o ON o.output = p.value
