SELECT count(*) FROM builds WHERE processed = 1 OR canceled = 1
