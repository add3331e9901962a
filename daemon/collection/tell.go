package collection

import (
	"context"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/account"
	"codeberg.org/tbfg/tbfg/daemon/coordinator"
)

// Tell tells hooks of packages that broke or were fixed since they were told
// last. Of packages that it sees for the first time it tells nothing: that they
// fail is no news. Where no hook wants to know it does nothing.
func (k *Keeper) Tell(ctx context.Context) error {
	if !k.Coordinator.Wanted(daemon.PackageBroken) && !k.Coordinator.Wanted(daemon.PackageFixed) {
		return nil
	}
	list, err := k.Coordinator.Collections(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		a, err := k.Account(ctx, c.Name, account.Options{})
		if err != nil {
			return err
		}
		if tellings := news(a); len(tellings) > 0 {
			if err := k.Coordinator.Tell(ctx, tellings); err != nil {
				return err
			}
			k.forget(c.Name) // it has what was told before
		}
	}
	return nil
}

func (k *Keeper) forget(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.accounts, name)
}

// news is what hooks were not told of an account.
func news(a *account.Account) []coordinator.Telling {
	var tellings []coordinator.Telling
	for _, p := range a.Packages {
		told := daemon.ToldNothing
		switch {
		case p.State.Good():
			told = daemon.ToldBuilds
		case p.State.Bad():
			told = daemon.ToldBroken
		}
		if told == daemon.ToldNothing || told == p.Told {
			continue
		}
		t := coordinator.Telling{Package: p.ID, Told: told}
		if p.Told != daemon.ToldNothing {
			t.Event = event(a, &p)
		}
		tellings = append(tellings, t)
	}
	return tellings
}

func event(a *account.Account, p *account.Package) daemon.Event {
	e := daemon.Event{Name: daemon.PackageFixed, Collection: a.Collection, Revision: a.At(a.Evaluation).Revision,
		Package: p.Package, System: p.System, Target: p.Target, Derivation: p.Derivation, Build: p.Build}
	if p.State.Bad() {
		e.Name, e.FailureReason = daemon.PackageBroken, p.Error
		for _, i := range p.BlockedBy {
			e.BlockedBy = append(e.BlockedBy, a.Failures[i].Name)
		}
	}
	return e
}
