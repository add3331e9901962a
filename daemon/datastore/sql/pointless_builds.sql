-- Unfinished builds with a tag whose derivation no collection wants any more.
SELECT b.uuid
  FROM tags t
  JOIN build_tags x ON x.tag_id = t.id
  JOIN builds b ON b.id = x.build_id
 WHERE t.key = ?1 AND t.value = ?2 AND b.processed = 0 AND b.canceled = 0
   AND NOT EXISTS (SELECT 1 FROM package_derivations v WHERE v.derivation_id = b.derivation_id AND v.last IS NULL)
 ORDER BY b.id
