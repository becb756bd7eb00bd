"""From nothing to a first reply, and to a plugin's line: fresh processes each time."""

import datetime
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from goplugin_py.wire.certificates import generate
from interop.bench.contenders import GO, HOSTS, JUDGED, PLUGINS, Contender
from interop.bench.driver import Driver
from interop.bench.environment import PYTHON, variables
from interop.bench.samples import Samples
from interop.bench.sizes import Sizes
from interop.bench.turns import turns
from interop.fixtures import ROOT

LAUNCH = "launch to first reply"
HELLO = "spawn to handshake line"

LAUNCH_FLOOR = "imports, and the Go plugin's own start"
HELLO_FLOOR = "imports of grpc and the stubs"

_GRPC = "import grpc, interop.echo_pb2_grpc"
_BOTH = f"{_GRPC}, cryptography.x509, cryptography.hazmat.primitives.asymmetric.ec"

Measure = Callable[[], float]


def measure(sizes: Sizes) -> Samples:
    """Start everything in turn."""
    samples = Samples()
    measures = {(LAUNCH, name): start for name, start in _launches(sizes).items()}
    measures |= {(HELLO, name): start for name, start in _hellos(sizes).items()}
    if sizes.rounds > 1:
        for start in measures.values():
            start()  # the first one compiles, and fills the caches of files
    for turn, ((figure, name), start) in turns(sizes.rounds, list(measures.items())):
        samples.add(figure, name, turn, start())
    return samples


def _launches(sizes: Sizes) -> Mapping[str, Measure]:
    go = next(each for each in PLUGINS if each.plugin == GO and each.link == "mtls")
    floor = {LAUNCH_FLOOR: lambda: _imports(_BOTH) + _hello(go)}
    return floor | {
        each.name: lambda each=each: _launch(each) for each in _some(HOSTS, sizes)
    }


def _hellos(sizes: Sizes) -> Mapping[str, Measure]:
    # To a plugin, multiplexing is one more variable.
    plugins = [each for each in PLUGINS if each.link != "mux"]
    floor = {HELLO_FLOOR: lambda: _imports(_GRPC)}
    return floor | {
        each.name: lambda each=each: _hello(each) for each in _some(plugins, sizes)
    }


def _some(contenders: Sequence[Contender], sizes: Sizes) -> list[Contender]:
    return [each for each in contenders if sizes.every_start or each.name in JUDGED]


def _launch(contender: Contender) -> float:
    with Driver(contender.command) as driver:
        return driver.wait()


def _hello(contender: Contender) -> float:
    env = {"ECHO_PLUGIN": "5f0c1a5e", "PLUGIN_PROTOCOL_VERSIONS": "1"}
    if contender.link != "plain":
        identity = generate(datetime.datetime.now(datetime.UTC))
        env["PLUGIN_CLIENT_CERT"] = identity.certificate_pem
    return _first_line(contender.plugin_command, env)


def _imports(statement: str) -> float:
    return _first_line([str(PYTHON), "-c", f"{statement}; print('1|', flush=True)"], {})


def _first_line(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Return the seconds until a program prints its first line."""
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**variables(), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    ) as process:
        assert process.stdout is not None
        line = os.read(process.stdout.fileno(), 4096)
        took = time.perf_counter() - start
        # Not killed, so that nothing of it stays in the temporary directory.
        process.terminate()
    assert line.startswith(b"1|"), (command, line)
    return took
