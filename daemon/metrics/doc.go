// Package metrics shows the farm's state to Prometheus. What happens is counted
// as it happens; what there is, is asked for when somebody looks, of the
// coordinator's memory or with queries that touch few rows.
//
// Labels are bounded: agents and systems beyond the first thousands, and reasons
// of setup failures that are not ours, are called "other".
//
// docs/metrics.md says what each metric means.
package metrics
