"""Whether anybody is connected to a socket that somebody else listens on."""

from goplugin_py.wire.address import Address

_LISTENS = "00010000"  # /proc/net/unix: __SO_ACCEPTCON
_ESTABLISHED = "01"  # /proc/net/tcp: TCP_ESTABLISHED


def has_connections(address: Address) -> bool | None:
    """Tell whether a listener in this network namespace has connections now.

    A connection counts from its beginning, accepted or not.

    Returns:
        None where the system does not tell.
    """
    try:
        if address.network == "unix":
            return _has_unix(address.text)
        return _has_tcp(address.host_port[1])
    except OSError:  # no Linux
        return None


def _has_unix(path: str) -> bool:
    # Both the listener and its ends of the connections go by the listener's path.
    for row in _rows("/proc/net/unix", 7):
        if row[-1] == path and row[3] != _LISTENS:
            return True
    return False


def _has_tcp(port: int) -> bool:
    tables = ("/proc/net/tcp", "/proc/net/tcp6")
    return any(
        row[3] == _ESTABLISHED and int(row[1].rpartition(":")[2], 16) == port
        for table in tables
        for row in _rows(table)
    )


def _rows(table: str, splits: int = -1) -> list[list[str]]:
    with open(table, encoding="utf-8", errors="surrogateescape") as file:
        lines = file.read().split("\n")
    return [row for line in lines[1:] if (row := line.split(maxsplit=splits))]
