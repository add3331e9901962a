package wire

// The messages about the program around the coordinator, all of them tbfg's
// own.

// ConfigStatus says what is to be said of the farm's configuration: it answers
// POST /reload and stands in a FarmStatus.
type ConfigStatus struct {
	File         string   `json:"file,omitempty"`          // empty if there is none
	Changed      []string `json:"changed,omitempty"`       // keys, the last time that it was read
	NeedsRestart []string `json:"needs_restart,omitempty"` // keys that are new in the file, but not in effect
	Error        string   `json:"error,omitempty"`         // what is wrong with the file, which therefore is not in effect
}

// Secret says of a secret what may be said of it.
type Secret struct {
	Name    string `json:"name"`
	File    string `json:"file"`
	Purpose string `json:"purpose"`
	Made    Time   `json:"made"`
}

// SecretList answers GET /secrets.
type SecretList struct {
	Secrets []Secret `json:"secrets"`
}

// RotateRequest is the body of POST /secrets/rotate.
type RotateRequest struct {
	Name string `json:"name"`
}
