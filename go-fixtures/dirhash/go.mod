module goplugin_py/go-fixtures/dirhash

go 1.25.0

require golang.org/x/mod v0.40.0
