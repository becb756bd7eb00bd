"""A pytest plugin: tests in the background can be interrupted like any others.

A shell starts what stands before an `&` with SIGINT ignored, and so would be every
process that a test starts.
"""

import signal


def pytest_configure() -> None:
    """Give SIGINT its default handler, which child processes start with."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
