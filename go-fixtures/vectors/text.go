package main

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// shortenFrom is the length from which a run of one character is written shortened.
const shortenFrom = 1000

// text is a string whose JSON form stays small: a string, or a list of strings and of
// repetitions if it has very long runs of one character.
type text string

type repetition struct {
	Text  string `json:"text"`
	Times int    `json:"times"`
}

func (t text) MarshalJSON() ([]byte, error) {
	var parts []any
	plain := ""
	for rest := string(t); rest != ""; {
		_, size := utf8.DecodeRuneInString(rest)
		first, times := rest[:size], 1
		for strings.HasPrefix(rest[times*size:], first) {
			times++
		}
		run := rest[:times*size]
		rest = rest[len(run):]
		if times < shortenFrom {
			plain += run
			continue
		}
		if plain != "" {
			parts = append(parts, plain)
		}
		parts = append(parts, repetition{first, times})
		plain = ""
	}
	if parts == nil {
		return json.Marshal(plain)
	}
	if plain != "" {
		parts = append(parts, plain)
	}
	return json.Marshal(parts)
}
