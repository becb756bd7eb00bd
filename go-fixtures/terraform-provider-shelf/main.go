// Command terraform-provider-shelf is a Terraform provider on HashiCorp's framework,
// protocol 6, that has something of everything and keeps it in memory.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func main() {
	err := providerserver.Serve(
		context.Background(),
		func() provider.Provider { return shelf{} },
		providerserver.ServeOpts{Address: "example.com/goplugin/shelf"},
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type shelf struct{}

func (shelf) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "shelf"
}

func (shelf) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"owner": schema.StringAttribute{Optional: true},
	}}
}

func (shelf) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var config struct {
		Owner types.String `tfsdk:"owner"`
	}
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	resp.DataSourceData = config.Owner.ValueString()
}

func (shelf) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return box{} }}
}

func (shelf) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{func() datasource.DataSource { return &owner{} }}
}

func (shelf) EphemeralResources(context.Context) []func() ephemeral.EphemeralResource {
	return []func() ephemeral.EphemeralResource{
		func() ephemeral.EphemeralResource { return key{} },
	}
}

func (shelf) Functions(context.Context) []func() function.Function {
	return []func() function.Function{func() function.Function { return describe{} }}
}

func (shelf) ListResources(context.Context) []func() list.ListResource {
	return []func() list.ListResource{func() list.ListResource { return boxes{} }}
}

func (shelf) Actions(context.Context) []func() action.Action {
	return []func() action.Action{func() action.Action { return dust{} }}
}
