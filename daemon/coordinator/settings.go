package coordinator

import "time"

// Settings are what can be changed while the coordinator runs.
type Settings struct {
	// SubstituteURLs are asked for derivations when a submission names none.
	SubstituteURLs []string
	Policy
	// Hooks are told of events; the names of those that want an event. Nil
	// for none.
	Hooks func(event string) []string
	// Room tells whether the state directory has room for more builds, and
	// why not; nil for always.
	Room func() error
}

// Policy is what the coordinator does by itself when something goes wrong.
type Policy struct {
	// SetupRetry is how long a build waits after its first setup failure;
	// it doubles with each further one, up to MaxSetupRetry. The same holds
	// for builds whose agent vanished.
	SetupRetry    time.Duration
	MaxSetupRetry time.Duration
	// MaxSetupFailures is after how many setup failures a build fails, those
	// for missing inputs not counted; zero for never.
	MaxSetupFailures int
	// SubmitMissing makes the coordinator submit builds of inputs that an
	// agent cannot get.
	SubmitMissing bool
	// Lease is how long an agent may be silent before its builds are taken
	// from it; MaxLosses is after how many times that fails a build.
	Lease     time.Duration
	MaxLosses int
	// RetryFailures is how many times in a row a failed build is submitted
	// again; zero for never.
	RetryFailures int
	// KeepOutputs has agents send what they built.
	KeepOutputs bool
	// KeepFor and KeepBuilds are how long finished builds are kept, and how
	// many of them; zero for all.
	KeepFor    time.Duration
	KeepBuilds int
	// KeepEvents and KeepEventsFor are how many events of the stream are kept
	// for those who come back to it, and how long; zero for all.
	KeepEvents    int
	KeepEventsFor time.Duration
}

// Configure changes the settings. What has begun ends under the old ones.
func (c *Coordinator) Configure(s Settings) {
	if s.Hooks == nil {
		s.Hooks = func(string) []string { return nil }
	}
	if s.Room == nil {
		s.Room = func() error { return nil }
	}
	c.current.Store(&s)
}

// Lease is how long an agent may be silent; zero for ever.
func (c *Coordinator) Lease() time.Duration { return c.settings().Lease }

func (c *Coordinator) settings() *Settings { return c.current.Load() }
