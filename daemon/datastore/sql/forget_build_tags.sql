DELETE FROM build_tags WHERE build_id = ?1
