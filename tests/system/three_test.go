package system

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/wire"
	"codeberg.org/tbfg/tbfg/nix/base32"
	"codeberg.org/tbfg/tbfg/nix/nar"
	"codeberg.org/tbfg/tbfg/nix/storepath"
	"codeberg.org/tbfg/tbfg/tests/machine"
	"codeberg.org/tbfg/tbfg/tests/proxy"
	"codeberg.org/tbfg/tbfg/tests/toy"
)

// A node is a derivation of the graph that three machines build, with what
// becomes of it.
type node struct {
	*toy.Drv
	fate     daemon.State
	log      string            // whole
	contents map[string]string // of each output, a plain file
	needed   bool              // other nodes need it
}

// nodes is a graph whose builds say what they do, so that all of it is known
// beforehand: 64 derivations in 8 rows, of which each needs something of the
// row before, and inputs that only the shop's machine has.
func nodes(head *host, inputs []*toy.Drv) []*node {
	var list []*node
	add := func(r toy.Recipe, n node, needs ...*node) *node {
		for _, need := range needs {
			r.Inputs = append(r.Inputs, need.Drv)
			need.needed = true
			if need.fate != daemon.Succeeded {
				n.fate = daemon.Blocked
			}
		}
		n.Drv = head.add(r)
		list = append(list, &n)
		return &n
	}
	lines := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintln(&b, i+1)
		}
		return b.String()
	}
	good := func(log, out string) node {
		return node{fate: daemon.Succeeded, log: log, contents: map[string]string{"out": out}}
	}
	var plain *node
	for row := range 8 {
		name := func(kind string) string { return fmt.Sprintf("%s-%d", kind, row) }
		input := inputs[row%len(inputs)]
		text := fmt.Sprintf("row %d\n", row)
		first := toy.Recipe{Name: name("plain"), Inputs: []*toy.Drv{input},
			Script: fmt.Sprintf(`cat "$in_input_%d"; echo row %d | tee "$out"`, row%len(inputs), row)}
		n := good(fmt.Sprintf("input %d\n", row%len(inputs))+text, text)
		if plain == nil {
			plain = add(first, n)
		} else {
			plain = add(first, n, plain)
		}
		two := good("two\n", "out\n")
		two.contents["doc"] = lines(100)
		both := add(toy.Recipe{Name: name("two"), Outputs: []string{"doc", "out"}, Script: `echo two; echo out >"$out"; seq 100 >"$doc"`}, two)
		add(toy.Recipe{Name: name("user"), Script: fmt.Sprintf(`head -n1 "$in_two_%d_doc"; cat "$in_two_%[1]d" >"$out"`, row)}, good("1\n", "out\n"), both, plain)
		fixed := "fixed " + text
		add(toy.Recipe{Name: name("fixed"), HashAlgo: "sha256", Hash: flatHash(fixed), Script: `echo fixing; echo fixed row ` + fmt.Sprint(row) + ` >"$out"`}, good("fixing\n", fixed))
		bad := add(toy.Recipe{Name: name("bad"), Script: `seq 3000; exit 3`}, node{fate: daemon.Failed, log: lines(3000)})
		add(toy.Recipe{Name: name("blocked"), Script: `echo >"$out"`}, node{}, bad)
		large := lines(300_000 + row)
		add(toy.Recipe{Name: name("large"), Script: fmt.Sprintf(`echo large; seq %d >"$out"`, 300_000+row)}, good("large\n", large))
		add(toy.Recipe{Name: name("slow"), Script: `for i in $(seq 20); do echo $i; usleep 100000; done; seq 2000; echo >"$out"`}, good(lines(20)+lines(2000), "\n"))
	}
	return list
}

// seedOf is what the test's randomness begins with.
func seedOf(t *testing.T) uint64 {
	seed := rand.Uint64()
	if text := os.Getenv("TBFG_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("TBFG_SEED: %v", err)
		}
	}
	t.Logf("TBFG_SEED=%d", seed)
	return seed
}

// Two builders on machines of their own and their coordinator on a third
// build a graph while everything happens to them that can. The variable
// TBFG_SEED repeats a run.
func TestThreeMachinesSurviveEverything(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	random := rand.New(rand.NewPCG(seed, 1))
	head := newBuilder(t)
	var inputs []*toy.Drv
	for i := range 3 {
		in := head.add(toy.Recipe{Name: fmt.Sprintf("input-%d", i), Script: fmt.Sprintf(`echo input %d >"$out"`, i)})
		head.build(in)
		inputs = append(inputs, in)
	}
	list := nodes(head, inputs)
	f := newFarm(head, coordinatorOnly, keepOutputs, quickRetry, func(conf *config.Config) {
		conf.Coordinator.SubmitMissing = false // each has one build
	})
	world := f.witness()
	for _, in := range inputs {
		world.know(in)
	}
	server := strings.TrimPrefix(f.agentURL, "http://")
	f.agentURL = "http://" + (&proxy.Proxy{Server: server, Random: rand.New(rand.NewPCG(seed, 2)), Within: 20_000, Stalls: 2 * time.Second,
		Faults: map[proxy.Fault]int{proxy.Cut: 20, proxy.Stall: 5, proxy.Duplicate: 20}}).Start(t)

	// What one builder makes the other finds there, as the inputs at the head.
	builders := map[string]*builder{"anson": {host: newHost(t)}, "bedok": {host: newHost(t)}}
	published, err := head.Publish(head.ctx)
	if err != nil {
		t.Fatal(err)
	}
	urls, keys := []string{published.URL}, []string{published.Key}
	for _, name := range []string{"anson", "bedok"} {
		b := builders[name]
		b.startDaemon()
		b.openShop()
		key, err := b.SigningKey(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		b.address = machine.FreeAddress(t)
		b.publish()
		urls, keys = append(urls, "http://"+b.address), append(keys, key)
		b.id, b.password = f.newAgent(name)
	}
	for _, b := range builders {
		for _, key := range keys {
			if err := b.Authorize(b.ctx, key); err != nil {
				t.Fatal(err)
			}
		}
		b.keep(list)
		b.run(f, urls)
	}
	byPath, want := make(map[storepath.Path]*node), make(map[string]daemon.State)
	for _, n := range list {
		byPath[n.Path] = n
		world.know(n.Drv)
		if build := world.submit(n.Drv); n.fate != daemon.Blocked {
			want[build] = n.fate
		}
	}

	// Each of these happens when some more builds are over.
	anson, bedok := builders["anson"], builders["bedok"]
	garbage := bedok.add(toy.Recipe{Name: "garbage", Script: `echo >"$out"`})
	bedok.build(garbage)
	bedok.closeShop()
	killCoordinator := func() { f.serve.Kill(); f.start() }
	killAgent := func(b *builder) func() { return func() { b.agent.Kill(); b.run(f, urls) } }
	happen := []func(){killCoordinator, killCoordinator, killCoordinator, killAgent(anson), killAgent(anson), killAgent(bedok), killAgent(bedok),
		func() { // the daemon begins anew
			anson.closeShop()
			if err := anson.StopDaemon(); err != nil {
				t.Fatal(err)
			}
			anson.startDaemon()
			anson.publisher.Kill() // until now it denied what it has
			anson.publish()
		},
		func() { bedok.do("guix", "gc") },
	}
	random.Shuffle(len(happen), func(i, j int) { happen[i], happen[j] = happen[j], happen[i] })
	for i, it := range happen {
		eventually(t, "some builds are over", func() bool {
			over := lines(f.sql(database, "SELECT uuid FROM builds WHERE processed;"))
			return len(over) > i*len(want)/(len(happen)+1)
		})
		it()
	}
	all := f.waitOver()
	for _, b := range builders {
		b.alive(b.agent)
		b.openShop()
	}
	if valid, err := bedok.conn.IsValidPath(t.Context(), garbage.Out()); valid || err != nil {
		t.Errorf("garbage: got %v, %v, want it collected", valid, err)
	}
	f.checkHistory(want)
	world.check()
	seen := 0
	for _, b := range all {
		n := byPath[b.Derivation]
		if n == nil || b.State != n.fate {
			t.Errorf("%s: got %+v, want one of ours: %+v", b.Derivation, b, n)
			continue
		}
		if seen++; n.fate != daemon.Blocked {
			f.checkNode(n, f.show(b.UUID), builders)
		}
	}
	if seen != len(list) {
		t.Errorf("got %d builds, want %d", seen, len(list))
	}
}

// A builder is a machine with an agent.
type builder struct {
	*host
	id, password string
	address      string           // where its store is published
	publisher    *machine.Process // the last one
	agent        *machine.Process
}

func (b *builder) publish() {
	b.t.Helper()
	_, port, _ := strings.Cut(b.address, ":")
	b.publisher = b.launch("guix-publish", b.Command(context.Background(), "guix", "publish", "--listen=127.0.0.1", "--port="+port))
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := b.publisher.WaitAccept(ctx, "tcp", b.address); err != nil {
		b.t.Fatal(err)
	}
}

// run starts the agent, once more if need be.
func (b *builder) run(f *farm, urls []string) {
	b.agent = f.startAgent(b.host, b.id, b.password, inSpoolDir, func(conf *config.Config) {
		conf.Agent.Compression = "zstd"
		conf.Agent.DerivationURLs, conf.Agent.InputURLs = urls, urls
	})
}

// keep protects what the other machine will need from the garbage collector,
// as whoever publishes a store does. The rest may go.
func (b *builder) keep(list []*node) {
	for _, n := range list {
		for _, path := range n.Outputs {
			if !n.needed {
				continue
			}
			if err := os.Symlink(string(path), b.Path("/var/guix/gcroots")+"/"+path.Base()); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// checkNode compares what the farm has of a build with what was known
// beforehand, and with the store that it was built in.
func (f *farm) checkNode(n *node, b wire.BuildDetail, builders map[string]*builder) {
	f.t.Helper()
	name := n.Path.Name()
	if got := f.gunzip(stateDir + "/build-logs/" + b.UUID + "/log.gz"); got != n.log {
		f.t.Errorf("log of %s:\ngot  %s\nwant %s", name, clip(got), clip(n.log))
	}
	if n.fate != daemon.Succeeded {
		return
	}
	if len(b.Outputs) != len(n.contents) {
		f.t.Errorf("%s: got the outputs %+v, want %d", name, b.Outputs, len(n.contents))
	}
	for _, o := range b.Outputs {
		file := filepath.Join(f.t.TempDir(), "output")
		if err := os.WriteFile(file, []byte(n.contents[o.Name]), 0o644); err != nil {
			f.t.Fatal(err)
		}
		hash, size, err := nar.Hash(file)
		if err != nil {
			f.t.Fatal(err)
		}
		if o.Path != n.Outputs[o.Name] || o.Hash != "sha256:"+base32.Encode(hash[:]) || o.Size != size {
			f.t.Errorf("%s: got the output %+v, want %s, %d bytes", name, o, base32.Encode(hash[:]), size)
		}
		f.checkKeptOutput(b.UUID, "zstd", o)
		for machine, in := range builders { // those that it was built on, or that needed it
			valid, err := in.conn.IsValidPath(f.ctx, o.Path)
			if err != nil {
				f.t.Fatal(err)
			}
			if !valid {
				continue
			}
			info, err := in.conn.QueryPathInfo(f.ctx, o.Path)
			if err != nil || o.Hash != "sha256:"+base32.Encode(info.NarHash[:]) {
				f.t.Errorf("%s: got the hash %s, want that of %s's store: %+v, %v", name, o.Hash, machine, info, err)
			}
		}
	}
}
