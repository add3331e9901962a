package wire

import "codeberg.org/tbfg/tbfg/daemon"

// The messages about tokens, with which agents enrol by themselves.

// EnrolRequest is the body by which an agent without a UUID asks for one, on
// the agents' API.
type EnrolRequest struct {
	Name  string `json:"name"`
	Token string `json:"token"`
}

// EnrolReply answers it. The UUID stands there twice because nobody knows what
// upstream's agent calls it.
type EnrolReply struct {
	ID       string `json:"uuid"`
	Agent    string `json:"agent_id"`
	Password string `json:"password"`
}

// NewTokenRequest is the body of POST /dynamic-auth-tokens; all of it may be
// left out, and all of it is tbfg's own.
type NewTokenRequest struct {
	Description string  `json:"description,omitempty"`
	ExpiresIn   float64 `json:"expires_in,omitempty"` // seconds
	Expires     Time    `json:"expires_at,omitzero"`
}

// NewTokenReply answers it.
type NewTokenReply struct {
	Token string `json:"token"`
}

// Token is a token in a list, without what it is.
type Token struct {
	ID          int64  `json:"token_id"`
	Description string `json:"description,omitempty"`
	Created     Time   `json:"created_at"`
	Expires     Time   `json:"expires_at,omitzero"`
}

// TokenList answers GET /dynamic-auth-tokens, which is tbfg's own.
type TokenList struct {
	Tokens []Token `json:"tokens"`
}

// NewTokenList are tokens as they go out.
func NewTokenList(tokens []daemon.Token) TokenList {
	list := TokenList{make([]Token, len(tokens))}
	for i, t := range tokens {
		list.Tokens[i] = Token{t.ID, t.Description, Time{t.Created}, Time{t.Expires}}
	}
	return list
}
