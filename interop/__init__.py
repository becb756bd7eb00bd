"""Tests and tools that run this package against real go-plugin programs."""
