SELECT t.key, t.value FROM build_tags b JOIN tags t ON t.id = b.tag_id WHERE b.build_id = ?1 ORDER BY t.key, t.value
