package guixdaemon_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"codeberg.org/tbfg/tbfg/nix/guixdaemon"
)

// Build a derivation, with its log on standard output as it comes.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel() // closes the connection, which kills the build

	c, err := guixdaemon.Dial(ctx, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	err = c.SetOptions(ctx, guixdaemon.Options{
		PrintBuildTrace:        true,
		MultiplexedBuildOutput: true,
		MaxSilentTime:          10 * time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c.SetLog(&guixdaemon.Trace{
		Plain:    !c.Multiplexes(),
		BuildLog: func(pid int, p []byte) error { _, err := os.Stdout.Write(p); return err },
		Event: func(e guixdaemon.Event) error {
			if f, ok := e.Failure(); ok {
				fmt.Println("because of", f.Reason, f.Text)
			}
			return nil
		},
	})
	err = c.Build(ctx, []string{"/gnu/store/2222222222222222222222222222222b-x.drv"}, guixdaemon.Normal)
	var failure *guixdaemon.Error
	switch {
	case errors.As(err, &failure):
		fmt.Println("failed with status", failure.Status)
	case err != nil:
		fmt.Println("not known whether it would have succeeded:", err)
	}
}

func ExampleTrace() {
	trace := &guixdaemon.Trace{
		BuildLog: func(pid int, p []byte) error { fmt.Printf("%d says %q\n", pid, p); return nil },
		Event:    func(e guixdaemon.Event) error { fmt.Println(e.Name, e.Fields); return nil },
		Text:     func(p []byte) error { fmt.Printf("daemon says %q\n", p); return nil },
	}
	fmt.Fprint(trace, "waiting for locks\n@ build-started /gnu/store/x.drv - x86_64-linux  7\n@ build-log 7 5\nhel")
	fmt.Fprint(trace, "lo@ build-succeeded /gnu/store/x.drv -\n")
	// Output:
	// daemon says "waiting for locks\n"
	// build-started [/gnu/store/x.drv - x86_64-linux  7]
	// 7 says "hel"
	// 7 says "lo"
	// build-succeeded [/gnu/store/x.drv -]
}
