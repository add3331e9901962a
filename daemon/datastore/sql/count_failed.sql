SELECT count(*) FROM build_results WHERE result = 'failure'
