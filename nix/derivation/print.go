package derivation

// Bytes returns the text of d, as a .drv file holds it.
func (d *Derivation) Bytes() []byte { return d.Append(nil) }

// Append appends the text of d to dst.
func (d *Derivation) Append(dst []byte) []byte {
	dst = append(dst, "Derive("...)
	dst = appendList(dst, d.Outputs, func(dst []byte, o Output) []byte {
		dst = appendString(append(dst, '('), o.Name)
		dst = appendString(append(dst, ','), o.Path)
		dst = appendString(append(dst, ','), o.HashAlgo)
		dst = appendString(append(dst, ','), o.Hash)
		return append(dst, ')')
	})
	dst = appendList(append(dst, ','), d.Inputs, func(dst []byte, in Input) []byte {
		dst = appendString(append(dst, '('), in.Path)
		dst = appendList(append(dst, ','), in.Outputs, appendString)
		return append(dst, ')')
	})
	dst = appendList(append(dst, ','), d.Sources, appendString)
	dst = appendString(append(dst, ','), d.System)
	dst = appendString(append(dst, ','), d.Builder)
	dst = appendList(append(dst, ','), d.Args, appendString)
	dst = appendList(append(dst, ','), d.Env, func(dst []byte, v EnvVar) []byte {
		dst = appendString(append(dst, '('), v.Name)
		dst = appendString(append(dst, ','), v.Value)
		return append(dst, ')')
	})
	return append(dst, ')')
}

func appendList[T any](dst []byte, items []T, item func([]byte, T) []byte) []byte {
	dst = append(dst, '[')
	for i := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = item(dst, items[i])
	}
	return append(dst, ']')
}

// appendString quotes s. Five characters are escaped and no others, whatever
// the encoding: strings need not be UTF-8.
func appendString[S ~string](dst []byte, s S) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		if !special[s[i]] {
			continue
		}
		c := s[i]
		switch c {
		case '\n':
			c = 'n'
		case '\r':
			c = 'r'
		case '\t':
			c = 't'
		case 0:
			continue // cannot be written; Parse refuses it, and so does Fill
		}
		dst = append(dst, s[start:i]...)
		dst = append(dst, '\\', c)
		start = i + 1
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
