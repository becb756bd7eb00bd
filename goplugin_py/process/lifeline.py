"""Ends a plugin whose host has died.

A Go plugin does not notice that its host is gone. The kernel could kill it, but by
`PR_SET_PDEATHSIG`, which takes the end of the thread that started it for the end of
the host, and has to be set between fork and exec, where no code may run beside gRPC's
threads. So a small process of its own waits for the host's end, which closes a pipe.
"""

import os
import subprocess

# The first read returns when nobody holds the other end of the pipe any more. A plugin
# gets a second to tidy up. By then its id may be somebody else's, unless the descriptor
# of the process says that it has not ended; where there is none, the id must do.
_SCRIPT = """
has_ended() {
  while read -r key value; do
    [ "$key $value" = "Pid: -1" ] && return
  done <"/proc/self/fdinfo/$2"
  return 1
}
read -r end
has_ended "$@" && exit
kill -TERM "$1"
sleep 1
has_ended "$@" || kill -KILL "$1"
"""


class Lifeline:
    """A process that ends a plugin when this one ends without `cut`."""

    def __init__(self, pid: int) -> None:
        """Start it, for a child of ours that was not reaped.

        Raises:
            OSError: There is no shell, or no process to be had.
        """
        held, self._end = os.pipe()
        _ends.add(self._end)
        plugin = -1
        try:
            if hasattr(os, "pidfd_open"):
                plugin = os.pidfd_open(pid)
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "goplugin-lifeline", str(pid), str(plugin)],
                pass_fds=(plugin,) if plugin >= 0 else (),
                stdin=held,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.environ.get("PATH", os.defpath)},
                cwd="/",
                # What is sent to the host's group, or its terminal, is not for it.
                start_new_session=True,
            )
        except BaseException:
            self._let_go()
            raise
        finally:
            os.close(held)
            if plugin >= 0:
                os.close(plugin)

    def cut(self) -> None:
        """End it. To be called before the plugin is reaped: its id is then free."""
        self._process.kill()
        self._process.wait()
        self._let_go()

    def _let_go(self) -> None:
        _ends.discard(self._end)
        os.close(self._end)


# What a forked child would hold on to when its parent dies.
_ends: set[int] = set()


def _after_fork() -> None:
    while _ends:
        os.close(_ends.pop())


os.register_at_fork(after_in_child=_after_fork)
