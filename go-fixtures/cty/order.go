package main

import (
	"iter"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// ordered goes through an object's attributes in the order of their names, so that
// the same seed makes the same values.
func ordered(ty cty.Type) iter.Seq2[string, cty.Type] {
	types := ty.AttributeTypes()
	return func(yield func(string, cty.Type) bool) {
		for _, name := range slices.Sorted(maps.Keys(types)) {
			if !yield(name, types[name]) {
				return
			}
		}
	}
}
