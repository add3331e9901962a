package main

import (
	"net/http"
	"net/url"
	"sync/atomic"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/front"
)

// frontDoor is the front, whose BFFE may be another one tomorrow. Requests
// that are being served stay with the one they came to.
type frontDoor struct {
	logs *buildlog.Store
	farm front.Farm
	now  atomic.Pointer[http.Handler]
}

func (d *frontDoor) use(conf config.Front) {
	var bffe *url.URL
	if conf.BFFE != "" {
		bffe, _ = url.Parse(conf.BFFE) // it was validated
	}
	handler := front.Handler(d.logs, d.farm, bffe)
	d.now.Store(&handler)
}

func (d *frontDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*d.now.Load()).ServeHTTP(w, r)
}
