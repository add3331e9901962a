package datastore

import (
	"context"
	"database/sql"

	"codeberg.org/tbfg/tbfg/daemon"
)

// list gives rows to what is not stored of a graph, and returns it so that
// inputs come first.
func (t *Tx) list(ctx context.Context, graph []*Node) (fresh []*Node, err error) {
	type frame struct {
		node *Node
		next int // the input to visit next
	}
	var stack []frame
	defer func() {
		for _, f := range stack {
			f.node.forget()
		}
	}()
	visit := func(n *Node) error {
		switch {
		case n.id > 0:
			return nil
		case n.id == begun:
			return daemon.Errorf(daemon.Invalid, "%s needs itself", n.Path)
		}
		if known, ok := t.nodes.get(n.Path); ok {
			n.found(known)
			t.met = append(t.met, n)
			return nil
		}
		if len(n.Outputs) > 0 {
			n.id = begun
			stack = append(stack, frame{node: n})
			return nil
		}
		if err := t.find(ctx, n); err != nil || n.id != 0 {
			return err
		}
		if len(stack) == 0 {
			return daemon.Errorf(daemon.Invalid, "%s is not known", n.Path)
		}
		return daemon.Errorf(daemon.Invalid, "%s refers to %s, which is not known", stack[len(stack)-1].node.Path, n.Path)
	}
	var last int64
	for _, n := range graph {
		if err := visit(n); err != nil {
			return nil, err
		}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next < len(top.node.Inputs) {
				top.next++
				if err := visit(top.node.Inputs[top.next-1].Node); err != nil {
					return nil, err
				}
				continue
			}
			if last == 0 {
				if _, err := t.stmts.row(ctx, "last_derivation", nil, &last); err != nil {
					return nil, err
				}
			}
			last++
			top.node.id = last
			fresh, t.met = append(fresh, top.node), append(t.met, top.node)
			stack = stack[:len(stack)-1]
		}
	}
	return fresh, nil
}

// find looks a node up in the database; its id stays zero if it is not there.
func (t *Tx) find(ctx context.Context, n *Node) error {
	id, err := t.DerivationID(ctx, n.Path)
	if id == 0 || err != nil {
		return err
	}
	known := knownNode{id: id}
	err = t.stmts.each(ctx, "derivation_outputs", []any{id}, func(rows *sql.Rows) error {
		var o NodeOutput
		err := rows.Scan(&o.Name, &o.Path, &o.id)
		known.outputs = append(known.outputs, o)
		return err
	})
	if err == nil {
		n.found(known)
		t.met = append(t.met, n)
	}
	return err
}
