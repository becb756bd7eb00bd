"""The wire-compatible implementation of HashiCorp's go-plugin in Python."""
