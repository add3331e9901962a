UPDATE collection_packages SET told = ?2 WHERE id = ?1
