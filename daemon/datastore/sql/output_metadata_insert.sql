INSERT INTO output_metadata (build_id, derivation_output_id, hash, size, store_references)
SELECT ?1, id, ?4, ?5, ?6 FROM derivation_outputs WHERE derivation_id = ?2 AND name = ?3
