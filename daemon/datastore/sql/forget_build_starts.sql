DELETE FROM build_starts WHERE build_id = ?1
