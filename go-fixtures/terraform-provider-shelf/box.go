package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/numberdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"math/big"
)

// store has the boxes by id, while the provider runs.
var store = struct {
	sync.Mutex
	boxes map[string]tftypes.Value
	next  int
}{boxes: map[string]tftypes.Value{}}

// box is a resource with every kind of attribute and block.
type box struct{}

func (box) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "shelf_box"
}

func (box) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	part := map[string]schema.Attribute{
		"name":   schema.StringAttribute{Required: true},
		"serial": schema.StringAttribute{Computed: true},
	}
	nested := schema.NestedAttributeObject{Attributes: part}
	inBlock := schema.NestedBlockObject{Attributes: part}
	resp.Schema = schema.Schema{
		Version: 1,
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{
				Computed:      true,
				PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
			},
			"name": schema.StringAttribute{
				Required:      true,
				PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
			},
			"size": schema.NumberAttribute{
				Optional: true, Computed: true, Default: numberdefault.StaticBigFloat(big.NewFloat(1)),
			},
			"weight":  schema.NumberAttribute{Optional: true},
			"code":    schema.StringAttribute{Optional: true, Sensitive: true},
			"secret":  schema.StringAttribute{Optional: true, WriteOnly: true},
			"labels":  schema.MapAttribute{ElementType: types.StringType, Optional: true},
			"tags":    schema.SetAttribute{ElementType: types.StringType, Optional: true},
			"content": schema.DynamicAttribute{Optional: true},
			"lock":    schema.SingleNestedAttribute{Attributes: part, Optional: true, Computed: true},
			"items":   schema.ListNestedAttribute{NestedObject: nested, Optional: true},
			"parts":   schema.MapNestedAttribute{NestedObject: nested, Optional: true},
			"stamps":  schema.SetNestedAttribute{NestedObject: nested, Optional: true},
		},
		Blocks: map[string]schema.Block{
			"slot": schema.ListNestedBlock{NestedObject: inBlock},
			"side": schema.SetNestedBlock{NestedObject: inBlock},
			"lid":  schema.SingleNestedBlock{Attributes: lidAttributes()},
		},
	}
}

func lidAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"colour": schema.StringAttribute{Optional: true},
		"serial": schema.StringAttribute{Computed: true},
	}
}

func (box) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		"id": identityschema.StringAttribute{RequiredForImport: true},
	}}
}

func (box) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	store.Lock()
	defer store.Unlock()
	store.next++
	id := fmt.Sprintf("box-%d", store.next)
	resp.State.Raw = completed(req.Plan.Raw, id)
	store.boxes[id] = resp.State.Raw
	resp.Diagnostics.Append(resp.Identity.SetAttribute(ctx, path.Root("id"), id)...)
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, "made", []byte(`{"by":"shelf"}`))...)
	var name types.String
	resp.Diagnostics.Append(req.Plan.GetAttribute(ctx, path.Root("name"), &name)...)
	if name.ValueString() == "broken" {
		resp.Diagnostics.AddAttributeError(path.Root("name"), "Broken box", "It fell.")
	}
}

func (box) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var id types.String
	resp.Diagnostics.Append(req.State.GetAttribute(ctx, path.Root("id"), &id)...)
	store.Lock()
	defer store.Unlock()
	found, ok := store.boxes[id.ValueString()]
	if !ok {
		resp.State.RemoveResource(ctx)
		return
	}
	resp.State.Raw = found
	resp.Diagnostics.Append(resp.Identity.SetAttribute(ctx, path.Root("id"), id)...)
}

func (box) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var id types.String
	resp.Diagnostics.Append(req.State.GetAttribute(ctx, path.Root("id"), &id)...)
	store.Lock()
	defer store.Unlock()
	resp.State.Raw = completed(req.Plan.Raw, id.ValueString())
	store.boxes[id.ValueString()] = resp.State.Raw
}

func (box) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var id types.String
	resp.Diagnostics.Append(req.State.GetAttribute(ctx, path.Root("id"), &id)...)
	store.Lock()
	defer store.Unlock()
	delete(store.boxes, id.ValueString())
}

func (box) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resource.ImportStatePassthroughWithIdentity(ctx, path.Root("id"), path.Root("id"), req, resp)
}

func (box) UpgradeState(context.Context) map[int64]resource.StateUpgrader {
	return map[int64]resource.StateUpgrader{0: {
		StateUpgrader: func(ctx context.Context, _ resource.UpgradeStateRequest, resp *resource.UpgradeStateResponse) {
			ty := resp.State.Schema.Type().TerraformType(ctx).(tftypes.Object)
			values := map[string]tftypes.Value{}
			for name, each := range ty.AttributeTypes {
				values[name] = tftypes.NewValue(each, nil)
			}
			for _, name := range []string{"slot", "side"} {
				values[name] = tftypes.NewValue(ty.AttributeTypes[name], []tftypes.Value{})
			}
			values["name"] = tftypes.NewValue(tftypes.String, "upgraded")
			resp.State.Raw = tftypes.NewValue(ty, values)
		},
	}}
}

// completed decides on everything that is unknown.
func completed(plan tftypes.Value, id string) tftypes.Value {
	value, err := tftypes.Transform(plan, func(at *tftypes.AttributePath, v tftypes.Value) (tftypes.Value, error) {
		switch {
		case v.IsKnown():
			return v, nil
		case at.Equal(tftypes.NewAttributePath().WithAttributeName("id")):
			return tftypes.NewValue(tftypes.String, id), nil
		case v.Type().Is(tftypes.String):
			return tftypes.NewValue(tftypes.String, "made for "+id), nil
		}
		return tftypes.NewValue(v.Type(), nil), nil
	})
	if err != nil {
		panic(err)
	}
	return value
}
