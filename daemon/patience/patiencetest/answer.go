// Package patiencetest is for the tests of those who answer readers.
package patiencetest

import (
	"net/http/httptest"
	"time"
)

// An Answer knows until when it may be written, as was set last.
type Answer struct {
	*httptest.ResponseRecorder
	Deadline time.Time
}

// NewAnswer is an answer without a time limit.
func NewAnswer() *Answer { return &Answer{ResponseRecorder: httptest.NewRecorder()} }

// SetWriteDeadline is what a [net/http.ResponseController] calls.
func (a *Answer) SetWriteDeadline(t time.Time) error {
	a.Deadline = t
	return nil
}
