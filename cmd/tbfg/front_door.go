package main

import (
	"net/http"
	"net/url"
	"sync/atomic"

	"codeberg.org/tbfg/tbfg/config"
	"codeberg.org/tbfg/tbfg/daemon/buildlog"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
	"codeberg.org/tbfg/tbfg/daemon/front"
	"codeberg.org/tbfg/tbfg/daemon/publish"
)

// frontDoor is the front and, if outputs are kept, the substitutes. Tomorrow
// BFFE may be another one, or outputs not be kept. Requests that are being
// served stay with what they came to.
type frontDoor struct {
	logs   *buildlog.Store
	farm   *coordinator.Coordinator
	signer publish.Signer
	now    atomic.Pointer[http.Handler]
}

func (d *frontDoor) use(conf config.Config) {
	var bffe *url.URL
	if conf.Front.BFFE != "" {
		bffe, _ = url.Parse(conf.Front.BFFE) // it was validated
	}
	handler := front.Handler(d.logs, d.farm, bffe)
	if conf.Front.Substitutes && conf.Coordinator.KeepOutputs {
		handler = publish.Handler(d.farm.Outputs, d.farm, d.signer, handler)
	}
	d.now.Store(&handler)
}

func (d *frontDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*d.now.Load()).ServeHTTP(w, r)
}
