# Everything that one does with tbfg from its source. "make" builds it, "make
# help" lists the rest.

PREFIX  ?= /usr/local
DESTDIR ?=
GO      ?= go
SHARE    = $(DESTDIR)$(PREFIX)/share

# The rooms of the program. Their tests need neither root nor a Guix; those of
# tests/ bring up real ones.
ROOMS = ./cmd/... ./config/... ./daemon/... ./nix/... ./shepherd/...

.DEFAULT_GOAL := build
.PHONY: help build demo check lint unit system soak bench fuzz install units clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build ./tbfg
	$(GO) build -o tbfg ./cmd/tbfg

demo: ## run a farm on a real guix-daemon (as root); KEEP=1 leaves it running
	KEEP=$(KEEP) $(GO) run ./tests/demo

check: lint unit system ## run every test (as root; gets what it needs)

lint: ## gofmt, go vet, staticcheck and govulncheck
	tests/lint

unit: ## run the tests that need no Guix, with the race detector
	tests/packages
	$(GO) test -race $(ROOMS)

system: ## run the tests on real daemons in overlay machines (as root)
	$(GO) test -count=1 -timeout 20m ./tests/...

soak: ## kill the coordinator a thousand times, follow its events for minutes, three machines twenty times, logs of a gigabyte
	TBFG_KILLS=1000 $(GO) test -count=1 -timeout 30m -v -run KillNine ./tests/history
	TBFG_FOLLOW=5m $(GO) test -count=1 -timeout 30m -v -run Follows ./tests/bffe
	$(GO) test -count=20 -timeout 30m -v -run ThreeMachines ./tests/system
	TBFG_LARGE_LOGS=1000 $(GO) test -count=1 -timeout 60m -v -run LargeLogs ./tests/system
	TBFG_SOAK=1 $(GO) test -count=1 -timeout 30m -v -run CheckPhase ./tests/phases

bench: ## race peers and print figures; ONLY=NAME runs one
	$(GO) run ./tests/bench $(ONLY)

fuzz: ## fuzz every parser, each for FUZZTIME (30s)
	tests/fuzz $(or $(FUZZTIME),30s)

install: units ## install what make built below DESTDIR/PREFIX, with all its names
	test -x tbfg || $(MAKE) build
	install -D -m 755 tbfg $(DESTDIR)$(PREFIX)/bin/tbfg
	mkdir -p $(SHARE)/man/man1 $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions
	./tbfg manual man >$(SHARE)/man/man1/tbfg.1
	./tbfg manual bash >$(SHARE)/bash-completion/completions/tbfg
	./tbfg manual zsh >$(SHARE)/zsh/site-functions/_tbfg
	for name in guix-build-coordinator guix-build-coordinator-agent; do \
		ln -sf tbfg $(DESTDIR)$(PREFIX)/bin/$$name && \
		ln -sf tbfg.1 $(SHARE)/man/man1/$$name.1 && \
		ln -sf tbfg $(SHARE)/bash-completion/completions/$$name || exit 1; \
	done

units: ## install only the units and the user for systemd
	for unit in docs/systemd/*.service docs/systemd/*.socket; do \
		install -d $(DESTDIR)$(PREFIX)/lib/systemd/system && \
		sed 's|@bindir@|$(PREFIX)/bin|' "$$unit" >$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} || exit 1; \
	done
	install -D -m 644 docs/systemd/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/tbfg.conf

clean: ## remove what was built here
	rm -f tbfg
