"""The least that a host can do: start the plugin, read its line, take the address."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

UNLIMITED = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)


ECHO = {"ECHO_PLUGIN": "5f0c1a5e", "PLUGIN_PROTOCOL_VERSIONS": "1"}


@contextmanager
def started(
    command: list[str], variables: Mapping[str, str] = ECHO
) -> Iterator[tuple[int, str]]:
    """Start a plugin in plain text; yield its pid and its gRPC target."""
    env = {**os.environ, **variables}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline().decode()
            yield process.pid, "unix:" + line.split("|")[3]
        finally:
            process.kill()
