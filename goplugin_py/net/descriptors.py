"""Whether this process may open what a link needs."""

import os
import resource

from goplugin_py.errors import LaunchError

# A start takes up to 30 of its own, and others may start at the same time.
ROOM = 64


def check_room() -> None:
    """Make sure that gRPC finds descriptors: without, it aborts the process.

    Raises:
        LaunchError: Hardly any are left.
    """
    held: list[int] = []
    try:
        held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        while len(held) < ROOM:
            held.append(os.dup(held[0]))
    except OSError as exc:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        raise LaunchError(
            f"this process may have {limit} files open and can't open {ROOM} more, as "
            f"a plugin may need ({exc.strerror}): raise RLIMIT_NOFILE, by ulimit -n"
        ) from exc
    finally:
        for fd in held:
            os.close(fd)
