package main

import (
	"fmt"
	"math/big"
	"math/rand"

	"github.com/zclconf/go-cty/cty"
)

// maker makes up types and values.
type maker struct{ *rand.Rand }

var names = []string{"a", "b", "id", "name", "größe", "x<y&z", ""}

// constraint makes a type to encode against; it may have dynamic parts.
func (m maker) constraint(depth int) cty.Type {
	if m.Intn(6) == 0 {
		return cty.DynamicPseudoType
	}
	return m.ty(depth, m.constraint)
}

// concrete makes a type of values.
func (m maker) concrete(depth int) cty.Type { return m.ty(depth, m.concrete) }

func (m maker) ty(depth int, part func(int) cty.Type) cty.Type {
	kinds := 8
	if depth == 0 {
		kinds = 3
	}
	switch m.Intn(kinds) {
	case 0:
		return cty.Bool
	case 1:
		return cty.Number
	case 2:
		return cty.String
	case 3:
		return cty.List(m.concrete(depth - 1))
	case 4:
		return cty.Set(m.concrete(depth - 1))
	case 5:
		return cty.Map(m.concrete(depth - 1))
	case 6:
		parts := make([]cty.Type, m.Intn(4))
		for i := range parts {
			parts[i] = part(depth - 1)
		}
		return cty.Tuple(parts)
	default:
		parts := map[string]cty.Type{}
		for range m.Intn(4) {
			parts[names[m.Intn(len(names))]] = part(depth - 1)
		}
		return cty.Object(parts)
	}
}

func (m maker) value(ty cty.Type, depth int) cty.Value {
	switch m.Intn(12) {
	case 0:
		return cty.NullVal(ty)
	case 1:
		return m.unknown(ty)
	}
	switch {
	case ty == cty.DynamicPseudoType:
		return m.value(m.concrete(depth), depth)
	case ty == cty.Bool:
		return cty.BoolVal(m.Intn(2) == 0)
	case ty == cty.Number:
		return m.number()
	case ty == cty.String:
		return cty.StringVal(m.text())
	case ty.IsTupleType():
		parts := make([]cty.Value, ty.Length())
		for i, each := range ty.TupleElementTypes() {
			parts[i] = m.value(each, depth-1)
		}
		return cty.TupleVal(parts)
	case ty.IsObjectType():
		parts := map[string]cty.Value{}
		for name, each := range ordered(ty) {
			parts[name] = m.value(each, depth-1)
		}
		return cty.ObjectVal(parts)
	}
	return m.collection(ty, depth)
}

func (m maker) collection(ty cty.Type, depth int) cty.Value {
	elements := make([]cty.Value, m.Intn(4))
	keyed := map[string]cty.Value{}
	for i := range elements {
		elements[i] = m.value(ty.ElementType(), depth-1)
		keyed[m.text()] = elements[i]
	}
	switch {
	case ty.IsListType() && len(elements) > 0:
		return cty.ListVal(elements)
	case ty.IsListType():
		return cty.ListValEmpty(ty.ElementType())
	case ty.IsSetType() && len(elements) > 0:
		return cty.SetVal(elements)
	case ty.IsSetType():
		return cty.SetValEmpty(ty.ElementType())
	case len(keyed) > 0:
		return cty.MapVal(keyed)
	}
	return cty.MapValEmpty(ty.ElementType())
}

func (m maker) text() string {
	texts := []string{"", "a", "b", "äöü", "e\u0301", "日本語", "\U0001F600", "<&>\u2028", "\"\\\n\x00\x7f"}
	text := texts[m.Intn(len(texts))]
	if m.Intn(8) == 0 {
		for range m.Intn(300) {
			text += "x"
		}
	}
	return text
}

func (m maker) number() cty.Value {
	switch m.Intn(7) {
	case 0:
		return cty.NumberIntVal(int64(m.Intn(300)) - 150)
	case 1:
		return cty.NumberIntVal(int64(m.Uint64()) >> m.Intn(64))
	case 2:
		return cty.NumberUIntVal(m.Uint64())
	case 3:
		return cty.NumberFloatVal(m.NormFloat64())
	case 4:
		return cty.MustParseNumberVal(fmt.Sprintf("%d.%d", m.Intn(1000)-500, m.Intn(100000)))
	case 5:
		huge := new(big.Int).Exp(big.NewInt(int64(m.Intn(1000))), big.NewInt(int64(m.Intn(90))), nil)
		return cty.MustParseNumberVal(huge.String())
	default:
		return cty.MustParseNumberVal(fmt.Sprintf("%de%d", m.Intn(1000), m.Intn(60)-30))
	}
}

// unknown makes an unknown value, with refinements that may be of its type.
func (m maker) unknown(ty cty.Type) cty.Value {
	value := cty.UnknownVal(ty)
	if ty == cty.DynamicPseudoType || m.Intn(2) == 0 {
		return value
	}
	refined := value.Refine().NotNull()
	switch {
	case ty == cty.String:
		refined = refined.StringPrefixFull(m.text())
	case ty == cty.Number:
		refined = refined.NumberRangeLowerBound(cty.NumberIntVal(-int64(m.Intn(9))), m.Intn(2) == 0)
		refined = refined.NumberRangeUpperBound(cty.NumberFloatVal(0.5+float64(m.Intn(9))), m.Intn(2) == 0)
	case ty.IsCollectionType():
		refined = refined.CollectionLengthLowerBound(m.Intn(3))
		refined = refined.CollectionLengthUpperBound(3 + m.Intn(3))
	}
	return refined.NewValue()
}
