package config

import "reflect"

// Take is what a farm that runs with one configuration makes of the next: the
// one in effect from now on, and the names of the keys that differ, in the
// order of the schema: those that it takes over, and those that stay as they
// are until it is started again. The table [agent] is for machines that only
// build.
func Take(running, next Config) (effective Config, live, restart []string) {
	effective = next
	walk(reflect.ValueOf(running), reflect.ValueOf(&effective).Elem(), "", func(key string, f reflect.StructField, before, after reflect.Value) {
		if f.Tag.Get("apply") == "restart" {
			after.Set(before)
			restart = append(restart, key)
		} else {
			live = append(live, key)
		}
	})
	return effective, live, restart
}

// walk visits the keys that differ. Lists are compared whole.
func walk(before, after reflect.Value, table string, visit func(key string, f reflect.StructField, before, after reflect.Value)) {
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
			visit(table+key, f, b, a)
		}
	}
}
