package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/action"
	actionschema "github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	dataschema "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	ephemeralschema "github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/list"
	listschema "github.com/hashicorp/terraform-plugin-framework/list/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"maps"
)

// owner is a data source: whose shelf it is.
type owner struct{ name string }

func (*owner) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "shelf_owner"
}

func (*owner) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = dataschema.Schema{Attributes: map[string]dataschema.Attribute{
		"title": dataschema.StringAttribute{Optional: true},
		"name":  dataschema.StringAttribute{Computed: true},
	}}
}

func (o *owner) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	o.name, _ = req.ProviderData.(string)
}

func (o *owner) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var title types.String
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("title"), &title)...)
	name := strings.TrimSpace(title.ValueString() + " " + o.name)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("title"), title)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("name"), name)...)
}

// key is an ephemeral resource, to be renewed at once.
type key struct{}

func (key) Metadata(_ context.Context, _ ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = "shelf_key"
}

func (key) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	resp.Schema = ephemeralschema.Schema{Attributes: map[string]ephemeralschema.Attribute{
		"box":   ephemeralschema.StringAttribute{Required: true},
		"teeth": ephemeralschema.StringAttribute{Computed: true},
	}}
}

func (key) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	var box types.String
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("box"), &box)...)
	resp.Diagnostics.Append(resp.Result.SetAttribute(ctx, path.Root("box"), box)...)
	resp.Diagnostics.Append(resp.Result.SetAttribute(ctx, path.Root("teeth"), "of "+box.ValueString())...)
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, "renewed", []byte("false"))...)
	if box.ValueString() == "old" {
		resp.RenewAt = time.Now()
	}
}

func (key) Renew(ctx context.Context, _ ephemeral.RenewRequest, resp *ephemeral.RenewResponse) {
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, "renewed", []byte("true"))...)
}

func (key) Close(ctx context.Context, req ephemeral.CloseRequest, resp *ephemeral.CloseResponse) {
	renewed, diags := req.Private.GetKey(ctx, "renewed")
	resp.Diagnostics.Append(diags...)
	resp.Diagnostics.AddWarning("Key thrown away", "renewed: "+string(renewed))
}

// describe is a function of a number and any number of strings.
type describe struct{}

func (describe) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "describe"
}

func (describe) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary:           "Describe a box",
		Parameters:        []function.Parameter{function.NumberParameter{Name: "size"}},
		VariadicParameter: function.StringParameter{Name: "words"},
		Return:            function.StringReturn{},
	}
}

func (describe) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var size types.Number
	var words []string
	resp.Error = function.ConcatFuncErrors(req.Arguments.Get(ctx, &size, &words))
	if resp.Error != nil {
		return
	}
	if size.ValueBigFloat().Sign() < 0 {
		resp.Error = function.NewArgumentFuncError(0, "a box has no negative size")
		return
	}
	words = append([]string{size.ValueBigFloat().Text('f', -1)}, words...)
	resp.Error = resp.Result.Set(ctx, strings.Join(words, " "))
}

// boxes lists what the resource has made.
type boxes struct{}

func (boxes) Metadata(ctx context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	box{}.Metadata(ctx, req, resp)
}

func (boxes) ListResourceConfigSchema(_ context.Context, _ list.ListResourceSchemaRequest, resp *list.ListResourceSchemaResponse) {
	resp.Schema = listschema.Schema{Attributes: map[string]listschema.Attribute{
		"prefix": listschema.StringAttribute{Optional: true},
	}}
}

func (boxes) List(ctx context.Context, req list.ListRequest, stream *list.ListResultsStream) {
	store.Lock()
	ids := slices.Sorted(maps.Keys(store.boxes))
	store.Unlock()
	stream.Results = func(push func(list.ListResult) bool) {
		for _, id := range ids {
			result := req.NewListResult(ctx)
			result.DisplayName = "the box " + id
			result.Diagnostics.Append(result.Identity.SetAttribute(ctx, path.Root("id"), id)...)
			if req.IncludeResource {
				store.Lock()
				result.Resource.Raw = store.boxes[id]
				store.Unlock()
			}
			if !push(result) {
				return
			}
		}
	}
}

// dust is an action, which tells how far it is.
type dust struct{}

func (dust) Metadata(_ context.Context, _ action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = "shelf_dust"
}

func (dust) Schema(_ context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	resp.Schema = actionschema.Schema{Attributes: map[string]actionschema.Attribute{
		"times": actionschema.Int64Attribute{Required: true},
	}}
}

func (dust) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var times types.Int64
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("times"), &times)...)
	for range times.ValueInt64() {
		resp.SendProgress(action.InvokeProgressEvent{Message: "dusting"})
	}
	if times.ValueInt64() > 2 {
		resp.Diagnostics.AddAttributeError(path.Root("times"), "Too clean", "Twice is enough.")
	}
}
