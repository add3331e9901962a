UPDATE agents
   SET name = coalesce(?2, name), description = coalesce(?3, description), active = coalesce(?4, active)
 WHERE id = ?1
