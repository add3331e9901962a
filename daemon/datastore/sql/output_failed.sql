UPDATE outputs SET failed_build = max(coalesce(failed_build, 0), ?2) WHERE id = ?1 AND (lost OR NOT built)
