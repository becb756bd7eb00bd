package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/vault/sdk/logical"
)

// storage is what a mount may use. The host can change it beneath the plugin, make it
// fail, and make writes wait.
type storage struct {
	logical.InmemStorage
	hold bool
}

func newStorage() *storage {
	return &storage{}
}

// Put waits until the plugin gives up, if so told, and says when that begins.
func (s *storage) Put(ctx context.Context, entry *logical.StorageEntry) error {
	if s.hold {
		fmt.Println(`{"held":true}`)
		<-ctx.Done()
		return ctx.Err()
	}
	return s.InmemStorage.Put(ctx, entry)
}

func (h *host) doToStorage(ctx context.Context, next command) (answer, error) {
	mounted, known := h.mounts[next.Name]
	if !known {
		return nil, errUnknown
	}
	storage := mounted.storage
	switch next.Do {
	case "store":
		entry := &logical.StorageEntry{Key: next.Key, Value: []byte(next.Value)}
		return nil, storage.Put(ctx, entry)
	case "stored":
		entry, err := storage.Get(ctx, next.Key)
		if entry == nil {
			return answer{"value": nil}, err
		}
		return answer{"value": string(entry.Value), "seal_wrap": entry.SealWrap}, err
	case "keys":
		keys, err := storage.List(ctx, next.Key)
		return answer{"keys": keys}, err
	case "hold":
		storage.hold = true
		return nil, nil
	case "fail":
		storage.FailPut(true).FailGet(true).FailDelete(true).FailList(true)
		return nil, nil
	}
	return nil, errUnknown
}
