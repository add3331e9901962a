package collection

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"codeberg.org/tbfg/tbfg/daemon"
	"codeberg.org/tbfg/tbfg/daemon/account"
	"codeberg.org/tbfg/tbfg/daemon/wire"
)

// Routes serve collections in the clients' API, by the names of wire.Routes.
func (k *Keeper) Routes() map[string]http.HandlerFunc {
	routes := map[string]http.HandlerFunc{"report": k.serveReport}
	for name, serve := range map[string]func(http.ResponseWriter, *http.Request) (any, error){
		"collections":       k.serveList,
		"collection":        k.serveOne,
		"put-collection":    k.servePut,
		"remove-collection": k.serveRemove,
		"update-collection": k.serveUpdate,
	} {
		routes[name] = func(w http.ResponseWriter, r *http.Request) {
			reply, err := serve(w, r)
			if err != nil {
				wire.Fail(w, r, err)
				return
			}
			wire.Reply(w, http.StatusOK, reply)
		}
	}
	return routes
}

func (k *Keeper) serveList(_ http.ResponseWriter, r *http.Request) (any, error) {
	list, err := k.Coordinator.Collections(r.Context())
	out := wire.CollectionList{Collections: make([]wire.Collection, len(list))}
	for i, c := range list {
		out.Collections[i] = wire.NewCollection(c)
	}
	return out, err
}

func (k *Keeper) serveOne(_ http.ResponseWriter, r *http.Request) (any, error) {
	c, err := k.Coordinator.Collection(r.Context(), r.PathValue("name"))
	return wire.NewCollection(c), err
}

func (k *Keeper) servePut(w http.ResponseWriter, r *http.Request) (any, error) {
	var spec daemon.Collection
	if err := wire.Read(w, r, &spec); err != nil {
		return nil, err
	}
	spec.Name = r.PathValue("name")
	if _, err := choiceOf(&spec); err != nil {
		return nil, err
	}
	if err := k.Coordinator.PutCollection(r.Context(), spec); err != nil {
		return nil, err
	}
	return k.serveOne(w, r)
}

func (k *Keeper) serveRemove(_ http.ResponseWriter, r *http.Request) (any, error) {
	return wire.ResultReply{Result: "collection-removed"}, k.Coordinator.RemoveCollection(r.Context(), r.PathValue("name"))
}

func (k *Keeper) serveUpdate(w http.ResponseWriter, r *http.Request) (any, error) {
	var req wire.UpdateCollection
	if err := wire.Read(w, r, &req); err != nil {
		return nil, err
	}
	return k.Update(r.Context(), r.PathValue("name"), req.DryRun)
}

// serveReport serves an account as it is: with every field under every
// spelling it would be twice as large.
func (k *Keeper) serveReport(w http.ResponseWriter, r *http.Request) {
	body, err := k.report(r)
	if err != nil {
		wire.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

func (k *Keeper) report(r *http.Request) ([]byte, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, daemon.Errorf(daemon.Invalid, "the query makes no sense: %v", err)
	}
	name := r.PathValue("name")
	o := account.Options{System: query.Get("system")}
	if since := query.Get("since"); since != "" {
		a, err := k.Account(r.Context(), name, account.Options{})
		if err != nil {
			return nil, err
		}
		if o.Since, err = findRevision(a, since); err != nil {
			return nil, err
		}
	}
	if o == (account.Options{}) {
		return k.JSON(r.Context(), name)
	}
	a, err := k.Account(r.Context(), name, o)
	if err != nil {
		return nil, err
	}
	return encode(a)
}

// findRevision is the number of the newest evaluation of a revision, given by
// its beginning, or by the evaluation's number.
func findRevision(a *account.Account, text string) (int, error) {
	if n, err := strconv.Atoi(text); err == nil && a.At(n).Number == n && n > 0 {
		return n, nil
	}
	for i := len(a.Evaluations) - 1; i >= 0; i-- {
		if strings.HasPrefix(a.Evaluations[i].Revision, text) {
			return a.Evaluations[i].Number, nil
		}
	}
	return 0, daemon.Errorf(daemon.NotFound, "the collection %s has no evaluation of a revision %.80q", a.Collection, text)
}
