package doctor

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
)

// FrontEnd is the Build Farm Front End that is to be looked at.
type FrontEnd struct {
	URL       string
	Own       []string // the farm's own addresses, as in the configuration
	Events    string   // the URL at which it can follow the farm's events; empty if there is none
	Followers int      // how many follow them now; negative if that is not known
}

// BFFE looks whether the Build Farm Front End answers, and whether it can know
// of builds: the farm's front shows its pages, and it has them from the farm.
func BFFE(ctx context.Context, f FrontEnd) Finding {
	const check = "BFFE"
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if u, err := url.Parse(f.URL); err == nil && slices.ContainsFunc(f.Own, func(own string) bool { return same(u, own) }) {
		return wrong(check, f.URL+" is the farm's own address", "name BFFE's in front.bffe: it has the port 8767 by default")
	}
	if _, _, err := get(ctx, f.URL); err != nil {
		return wrong(check, err.Error(), "is front.bffe right (its port is 8767 by default), and does it run?")
	}
	switch {
	case f.Followers < 0:
		return doubt(check, f.URL+" answers; whether it follows this farm's events cannot be known while that does not answer", "start the farm")
	case f.Followers == 0 && f.Events == "":
		return doubt(check, f.URL+" answers, but can read no events of this farm",
			"let coordinator.client_listen have an address on loopback, such as 127.0.0.1:8746")
	case f.Followers == 0:
		return doubt(check, f.URL+" answers, but reads no events of this farm",
			fmt.Sprintf("its configuration should name the farm's address for clients: #:event-source %q", f.Events))
	}
	return fine(check, "%s answers; the events of this farm are followed", f.URL)
}

// same tells whether a URL leads to what listens at an address of this machine.
func same(u *url.URL, address string) bool {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	host, at, err := net.SplitHostPort(Here(address))
	return err == nil && port == at && (local(u.Hostname()) && local(host) || u.Hostname() == host)
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
