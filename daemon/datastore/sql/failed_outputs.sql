SELECT failed_build, id FROM outputs WHERE failed_build IS NOT NULL ORDER BY failed_build
