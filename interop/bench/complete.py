"""Whether a run has an answer of everybody to everything."""

from collections.abc import Iterator

from interop.bench import calls
from interop.bench.contenders import HOSTS, PLUGINS, Contender
from interop.bench.results import Results
from interop.bench.samples import Samples

# What a library can't do, and why that is its own matter.
IMPOSSIBLE = {
    # Its host keeps grpcio's limit of 4 MiB for what it receives.
    (calls.ECHO, "pyvider-rpcplugin, plain"),
}


def missing(results: Results) -> list[str]:
    """Return what has no answer, each with its reason."""
    return [
        *_missing(results.hosts, HOSTS, IMPOSSIBLE),
        *_missing(results.plugins, PLUGINS, set()),
        *_refused(results.terraform, set()),
    ]


def _missing(
    samples: Samples,
    contenders: tuple[Contender, ...],
    impossible: set[tuple[str, str]],
) -> Iterator[str]:
    yield from _refused(samples, impossible)
    for contender in contenders:
        for figure in calls.CALLS:
            key = (figure, contender.name)
            if key not in samples.values.keys() | samples.refusals.keys():
                yield f"{contender.name}, {figure}: not asked"


def _refused(samples: Samples, impossible: set[tuple[str, str]]) -> Iterator[str]:
    for (figure, name), reason in samples.refusals.items():
        if (figure, name) not in impossible:
            yield f"{name}, {figure}: {reason}"
