// Command cty answers what go-cty makes of types and values, a JSON line for each line.
//
// A request names what to do:
//
//	{"do":"msgpack","type":TYPE,"data":"HEX"}  reads a value, and writes it both ways
//	{"do":"json","type":TYPE,"data":"TEXT"}    the same from JSON
//	{"do":"type","data":"TEXT"}                reads a type, and writes it
//	{"do":"random","seed":1,"count":100}       makes up values; answers as many lines
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"github.com/zclconf/go-cty/cty/msgpack"
)

type request struct {
	Do    string          `json:"do"`
	Type  json.RawMessage `json:"type"`
	Data  string          `json:"data"`
	Seed  int64           `json:"seed"`
	Count int             `json:"count"`
}

type answer struct {
	Type    json.RawMessage `json:"type,omitempty"`
	Msgpack string          `json:"msgpack"`
	// JSON is empty for what JSON can't carry.
	JSON  string `json:"json"`
	Error string `json:"error"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	for lines.Scan() {
		for _, one := range answers(lines.Bytes()) {
			line, err := json.Marshal(one)
			if err != nil {
				panic(err)
			}
			fmt.Fprintf(out, "%s\n", line)
		}
		out.Flush()
	}
}

func answers(line []byte) []answer {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return []answer{{Error: err.Error()}}
	}
	if asked.Do != "random" {
		return []answer{one(asked)}
	}
	source := maker{rand.New(rand.NewSource(asked.Seed))}
	made := make([]answer, asked.Count)
	for i := range made {
		ty := source.constraint(3)
		made[i] = written(source.value(ty, 3), ty)
	}
	return made
}

// one answers a request, also if go-cty panics: it does for refinements that
// contradict each other.
func one(asked request) (result answer) {
	defer func() {
		if problem := recover(); problem != nil {
			result = answer{Error: fmt.Sprint("panic: ", problem)}
		}
	}()
	if asked.Do == "type" {
		ty, err := ctyjson.UnmarshalType([]byte(asked.Data))
		if err != nil {
			return answer{Error: err.Error()}
		}
		return answer{Type: describe(ty)}
	}
	ty, err := ctyjson.UnmarshalType(asked.Type)
	if err != nil {
		return answer{Error: err.Error()}
	}
	value, err := read(asked, ty)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return written(value, ty)
}

func read(asked request, ty cty.Type) (cty.Value, error) {
	if asked.Do == "json" {
		return ctyjson.Unmarshal([]byte(asked.Data), ty)
	}
	data, err := hex.DecodeString(asked.Data)
	if err != nil {
		return cty.NilVal, err
	}
	return msgpack.Unmarshal(data, ty)
}

func written(value cty.Value, ty cty.Type) answer {
	data, err := msgpack.Marshal(value, ty)
	if err != nil {
		return answer{Type: describe(ty), Error: err.Error()}
	}
	text, err := ctyjson.Marshal(value, ty)
	if err != nil {
		text = nil
	}
	return answer{Type: describe(ty), Msgpack: hex.EncodeToString(data), JSON: string(text)}
}

func describe(ty cty.Type) json.RawMessage {
	text, err := ctyjson.MarshalType(ty)
	if err != nil {
		panic(err)
	}
	return text
}
