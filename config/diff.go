package config

import "reflect"

// Changed names the keys that differ between two configurations of a farm, in
// the order of the schema: those that a running farm takes over, and those
// that it needs a restart for. The table [agent] is for machines that only
// build.
func Changed(before, after Config) (live, restart []string) {
	walk(reflect.ValueOf(before), reflect.ValueOf(after), "", func(key string, f reflect.StructField) {
		if f.Tag.Get("apply") == "restart" {
			restart = append(restart, key)
		} else {
			live = append(live, key)
		}
	})
	return live, restart
}

// walk visits the keys that differ. Lists are compared whole.
func walk(before, after reflect.Value, table string, visit func(key string, f reflect.StructField)) {
	for i := range before.NumField() {
		f := before.Type().Field(i)
		b, a := before.Field(i), after.Field(i)
		key := keyOf(f)
		switch {
		case table == "" && key == "agent":
		case f.Type.Kind() == reflect.Struct && key == "": // embedded
			walk(b, a, table, visit)
		case f.Type.Kind() == reflect.Struct:
			walk(b, a, table+key+".", visit)
		case !reflect.DeepEqual(b.Interface(), a.Interface()):
			visit(table+key, f)
		}
	}
}
