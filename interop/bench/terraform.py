"""Terraform: a provider's big schema, big values, and plans."""

import contextlib
import statistics
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from interop.bench.driver import Driver, Refused
from interop.bench.environment import PYTHON
from interop.bench.samples import Samples
from interop.bench.sizes import Sizes
from interop.bench.turns import turns
from interop.bench.wide_schema import wide_schema
from interop.fixtures import binary

HOST = Path(__file__).parent / "hosts" / "terraform.py"

SCHEMA = "schema of 5 MB"
ENCODE = "encoding of 1 MB"
DECODE = "decoding of 1 MB"
PLAN = "plan of time_sleep"

RAW = "grpcio, plain"
PLAIN = "goplugin_py.terraform, plain"
SECURE = "goplugin_py.terraform, AutoMTLS"
CTY = "goplugin_py.terraform.cty"
MSGPACK = "msgpack"

FIGURES = {
    SCHEMA: (RAW, PLAIN, SECURE),
    ENCODE: (MSGPACK, CTY),
    DECODE: (MSGPACK, CTY),
    PLAN: ("", PLAIN, SECURE),
}
"""Who is asked for each; the others are compared with the first, if there is one."""

_LINKS = {RAW: "raw", PLAIN: "plain", SECURE: "mtls", MSGPACK: "values", CTY: "values"}
_COMMANDS = {
    (ENCODE, MSGPACK): "pack",
    (ENCODE, CTY): "encode",
    (DECODE, MSGPACK): "unpack",
    (DECODE, CTY): "decode",
}


def measure(sizes: Sizes) -> Samples:
    """Ask all in turn."""
    samples = Samples()
    counts = {SCHEMA: sizes.schemas, PLAN: sizes.plans}
    with _drivers() as drivers:
        questions = [
            (figure, name)
            for figure, names in FIGURES.items()
            for name in filter(None, names)
        ]
        for figure, name in questions:  # the first answer is the slowest
            _ask(drivers, figure, name, 1)
        for turn, (figure, name) in turns(sizes.rounds, questions):
            # Of processor time, all beyond the least is other people's.
            summary = min if figure in (ENCODE, DECODE) else statistics.median
            try:
                times = _ask(drivers, figure, name, counts.get(figure, sizes.values))
                samples.add(figure, name, turn, summary(times))
            except Refused as reason:
                samples.refuse(figure, name, str(reason))
    return samples


def _ask(drivers: dict[str, Driver], figure: str, name: str, count: int) -> list[float]:
    command = _COMMANDS.get((figure, name), "plan" if figure == PLAN else "schema")
    return drivers[_LINKS[name]].ask(f"{command} {count}")


@contextlib.contextmanager
def _drivers() -> Iterator[dict[str, Driver]]:
    with TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        schema = Path(directory) / "schema"
        schema.write_bytes(wide_schema())
        providers = [
            str(binary("schema-provider")),
            str(schema),
            str(binary("terraform-provider-time")),
        ]
        drivers = {}
        for link in dict.fromkeys(_LINKS.values()):
            command = [str(PYTHON), str(HOST), link, *providers]
            drivers[link] = stack.enter_context(Driver(command))
            drivers[link].wait()
        yield drivers
