SELECT count(*) FROM allocated_builds WHERE started
