package main

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"codeberg.org/tbfg/tbfg/daemon/doctor"
	"codeberg.org/tbfg/tbfg/daemon/front"
	"codeberg.org/tbfg/tbfg/shepherd"
)

// listen serves one API on its sockets.
func (f *farm) listen(ctx context.Context, sockets shepherd.Sockets, name string, addresses []string, handler http.Handler) error {
	listeners, err := sockets.Listen(name, addresses)
	if err != nil {
		return err
	}
	if file := f.conf.Coordinator.ClientSocket; name == "client" && file != "" {
		socket, err := shepherd.ListenUnix(file, f.conf.Coordinator.ClientGroup)
		if err != nil {
			return err
		}
		listeners = append(listeners, socket)
	}
	server := newEndpoint(handler, f.log)
	wrap := func(l net.Listener) net.Listener { return l }
	if name == "front" {
		server.ConnContext, wrap = front.ConnContext, front.Listen
		// Logs under way and streams of events have no end to wait for.
		ctx, cancel := context.WithCancel(context.Background())
		server.BaseContext = func(net.Listener) context.Context { return ctx }
		server.RegisterOnShutdown(cancel)
	}
	f.servers = append(f.servers, server)
	if name == "agent" && f.conf.Coordinator.Certificate != "" {
		c, err := openCertificate(ctx, f.conf.Coordinator.Certificate, f.conf.Coordinator.CertificateKey, f.log)
		if err != nil {
			return err
		}
		wrap = c.wrap
		if f.conf.LocalAgent.Enabled {
			// The certificate is for the farm's name, by which this
			// machine may not know itself.
			private, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return fmt.Errorf("listen for the local agent: %w", err)
			}
			f.agentURL = "http://" + private.Addr().String()
			server.serve(name, private, f.failed)
		}
	}
	for _, l := range listeners {
		f.log.Info("listening for "+name+" connections", "address", l.Addr())
		if name == "agent" && f.agentURL == "" {
			f.agentURL = "http://" + doctor.Here(l.Addr().String())
		}
		server.serve(name, wrap(l), f.failed)
	}
	return nil
}
