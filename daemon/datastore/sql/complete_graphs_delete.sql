DELETE FROM complete_graphs
