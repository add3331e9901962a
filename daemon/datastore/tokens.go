package datastore

import (
	"context"
	"database/sql"

	"codeberg.org/tbfg/tbfg/daemon"
)

// A TokenRow is a token as it is stored: a salted hash.
type TokenRow struct {
	daemon.Token
	Hash string
}

// InsertToken adds a token and returns its row.
func (t *Tx) InsertToken(ctx context.Context, token TokenRow) (int64, error) {
	return t.stmts.insert(ctx, "token_insert", token.Hash, textValue(token.Description), timeValue(token.Created), timeValue(token.Expires), textValue(token.Agent))
}

// DeleteToken revokes a token; found is false if there is none.
func (t *Tx) DeleteToken(ctx context.Context, id int64) (found bool, err error) {
	n, err := t.stmts.exec(ctx, "token_delete", id)
	return n > 0, err
}

// Tokens are all tokens, oldest first.
func (q Queries) Tokens(ctx context.Context) ([]TokenRow, error) {
	var tokens []TokenRow
	err := q.stmts.each(ctx, "tokens", nil, func(rows *sql.Rows) error {
		var t TokenRow
		var description, created, expires, agent sql.NullString
		err := rows.Scan(&t.ID, &t.Hash, &description, &created, &expires, &agent)
		t.Description, t.Created, t.Expires = description.String, parseTime(created), parseTime(expires)
		t.Agent = agent.String
		tokens = append(tokens, t)
		return err
	})
	return tokens, err
}
