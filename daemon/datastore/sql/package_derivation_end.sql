UPDATE package_derivations SET last = ?2 WHERE package_id = ?1 AND last IS NULL
