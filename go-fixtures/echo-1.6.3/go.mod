module goplugin_py/go-fixtures/echo-1.6.3

go 1.24.0

tool (
	goplugin_py/go-fixtures/echo-host
	goplugin_py/go-fixtures/echo-plugin
	goplugin_py/go-fixtures/echo-plugin/tcp
)

// The programs' own modules ask for the current versions.
replace (
	github.com/hashicorp/go-hclog => github.com/hashicorp/go-hclog v0.14.1
	github.com/hashicorp/go-plugin => github.com/hashicorp/go-plugin v1.6.3
	github.com/hashicorp/yamux => github.com/hashicorp/yamux v0.1.1
	google.golang.org/grpc => google.golang.org/grpc v1.58.3
)

replace (
	goplugin_py/go-fixtures/echo => ../echo
	goplugin_py/go-fixtures/echo-host => ../echo-host
	goplugin_py/go-fixtures/echo-plugin => ../echo-plugin
)

require (
	github.com/fatih/color v1.13.0 // indirect
	github.com/golang/protobuf v1.5.4 // indirect
	github.com/hashicorp/go-hclog v1.6.3 // indirect
	github.com/hashicorp/go-plugin v1.8.0 // indirect
	github.com/hashicorp/yamux v0.1.2 // indirect
	github.com/mattn/go-colorable v0.1.12 // indirect
	github.com/mattn/go-isatty v0.0.17 // indirect
	github.com/oklog/run v1.1.0 // indirect
	golang.org/x/net v0.48.0 // indirect
	golang.org/x/sys v0.39.0 // indirect
	golang.org/x/text v0.32.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20251202230838-ff82c1b0f217 // indirect
	google.golang.org/grpc v1.79.3 // indirect
	google.golang.org/protobuf v1.36.10 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
	goplugin_py/go-fixtures/echo v0.0.0 // indirect
	goplugin_py/go-fixtures/echo-host v0.0.0-00010101000000-000000000000 // indirect
	goplugin_py/go-fixtures/echo-plugin v0.0.0-00010101000000-000000000000 // indirect
)
