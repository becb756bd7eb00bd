"""Echo plugins that are timed, each a program of its own with what it needs only.

They serve Unary and ServerStream; the time from their start to their line is measured.
"""
