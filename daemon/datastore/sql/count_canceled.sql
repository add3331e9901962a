SELECT count(*) FROM builds WHERE canceled = 1
