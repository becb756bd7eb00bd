"""Hosts that are timed, each a program of its own: `FILE LINK PLUGIN [ARGUMENT ...]`.

A host starts the plugin and makes one call, prints `ready PID`, and then answers each
line of stdin with a line of numbers, or with `error` and why. Its own file imports what
that first call needs and nothing else, because the time until then is measured.
"""
