package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/collection"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	reports "codeberg.org/tbfg/tbfg/daemon/report"
)

// openKeeper makes the keeper of collections, and those of the configuration.
func openKeeper(ctx context.Context, c *coordinator.Coordinator, conf config.Config, logs *buildlog.Store, log *slog.Logger) (*collection.Keeper, error) {
	if err := c.DeclareCollections(ctx, config.Domain(conf.Collections)); err != nil {
		return nil, fmt.Errorf("set up the configured collections: %w", err)
	}
	return collection.Open(collection.Config{Coordinator: c, System: config.HostSystem(), LogFile: logs.File, Log: log})
}

// withReports has the front serve the reports of collections.
func withReports(front http.Handler, keeper *collection.Keeper) http.Handler {
	pages := reports.Handler(keeper)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/report/") {
			pages.ServeHTTP(w, r)
			return
		}
		front.ServeHTTP(w, r)
	})
}
