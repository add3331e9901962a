DELETE FROM allocated_builds WHERE build_id = ?1
