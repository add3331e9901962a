DELETE FROM output_metadata WHERE build_id = ?1
