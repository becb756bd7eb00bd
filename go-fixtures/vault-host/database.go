package main

import (
	"context"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/vault/sdk/database/dbplugin/v5"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/helper/pluginutil"
	"github.com/hashicorp/vault/sdk/logical"
)

// expiration is what all users of the tests get.
var expiration = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

type database struct {
	dbplugin.Database
}

func (h *host) doToDatabase(ctx context.Context, next command) (answer, error) {
	if next.Do == "open" {
		return h.open(ctx, next)
	}
	opened, known := h.databases[next.Name]
	if !known {
		return nil, errUnknown
	}
	switch next.Do {
	case "initialize":
		response, err := opened.Initialize(ctx, dbplugin.InitializeRequest{
			Config: next.Config, VerifyConnection: true,
		})
		return answer{"config": response.Config}, err
	case "new-user":
		response, err := opened.NewUser(ctx, newUser(next))
		return answer{"username": response.Username}, err
	case "update-user":
		_, err := opened.UpdateUser(ctx, update(next))
		return nil, err
	case "delete-user":
		_, err := opened.DeleteUser(ctx, dbplugin.DeleteUserRequest{
			Username:   next.Username,
			Statements: dbplugin.Statements{Commands: next.Statements},
		})
		return nil, err
	case "close":
		err := opened.Close()
		delete(h.databases, next.Name)
		return answer{"pids": h.catalog.pids()}, err
	}
	return nil, errUnknown
}

func (h *host) open(ctx context.Context, next command) (answer, error) {
	opened, err := h.connect(ctx)
	if err != nil {
		return nil, err
	}
	kind, err := opened.Type()
	if err != nil {
		return nil, err
	}
	h.databases[next.Name] = &database{opened}
	said := answer{"pids": h.catalog.pids(), "type": kind}
	if versioner, ok := opened.(logical.PluginVersioner); ok {
		said["version"] = versioner.PluginVersion().Version
	}
	return said, nil
}

func (h *host) connect(ctx context.Context) (dbplugin.Database, error) {
	if !h.catalog.single {
		return dbplugin.PluginFactory(ctx, "plugin", h.catalog, h.catalog.logger)
	}
	return dbplugin.NewPluginClient(ctx, h.catalog, pluginutil.PluginClientConfig{
		Name:            "plugin",
		PluginType:      consts.PluginTypeDatabase,
		PluginSets:      map[int]plugin.PluginSet{5: dbplugin.PluginSets[5]},
		HandshakeConfig: dbplugin.HandshakeConfig,
		Logger:          h.catalog.logger,
		AutoMTLS:        true,
		Wrapper:         h.catalog,
	})
}

func newUser(next command) dbplugin.NewUserRequest {
	return dbplugin.NewUserRequest{
		UsernameConfig: dbplugin.UsernameMetadata{
			DisplayName: next.Username, RoleName: "reader",
		},
		Password:   next.Password,
		Expiration: expiration,
		Statements: dbplugin.Statements{Commands: next.Statements},
	}
}

// update changes the password, or else the expiration.
func update(next command) dbplugin.UpdateUserRequest {
	statements := dbplugin.Statements{Commands: next.Statements}
	request := dbplugin.UpdateUserRequest{Username: next.Username}
	if next.Password != "" {
		request.Password = &dbplugin.ChangePassword{
			NewPassword: next.Password, Statements: statements,
		}
		return request
	}
	request.Expiration = &dbplugin.ChangeExpiration{
		NewExpiration: expiration.AddDate(1, 0, 0), Statements: statements,
	}
	return request
}
