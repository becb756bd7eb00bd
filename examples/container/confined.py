"""Compress a file by a plugin that can open no file and no connection of its own.

    PYTHONPATH=examples/streams python examples/container/confined.py \
        SOURCE TARGET PLUGIN

PLUGIN is a filter in Go, as that of examples/streams. It runs in namespaces, and gets
the content of the two files through the one socket that it shares with this host.
"""

import subprocess
import sys

from compress import HANDSHAKE, FilterPlugin
from namespaces import namespaces

from goplugin_py import Client, ClientConfig


def main(source: str, target: str, *command: str) -> None:
    config = ClientConfig(
        command=command,
        runner=namespaces,
        inherit_env=False,
        stdin=subprocess.DEVNULL,
        broker_multiplex=True,
        handshake=HANDSHAKE,
        plugins={"filter": FilterPlugin()},
    )
    with (
        open(source, "rb") as readable,
        open(target, "wb") as writable,
        Client(config) as client,
    ):
        read = client.dispense("filter").run(readable, writable)
        print(f"{read} bytes, compressed to {writable.tell()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
