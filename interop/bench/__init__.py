"""The benchmark, `make bench`: this library beside others, in one run."""
