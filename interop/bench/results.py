"""All that a run measures, and who is who in it."""

from dataclasses import dataclass

from interop.bench import calls, fleets, starts, terraform
from interop.bench.contenders import HOSTS, PLUGINS
from interop.bench.idle_streams import bytes_of_idle_streams
from interop.bench.samples import Samples
from interop.bench.sizes import Sizes


@dataclass(frozen=True, slots=True)
class Results:
    """The samples of each part."""

    sizes: Sizes
    hosts: Samples
    plugins: Samples
    starts: Samples
    fleets: Samples
    terraform: Samples
    stream_bytes: float
    """What an idle multiplexed stream takes."""

    @classmethod
    def measure(cls, sizes: Sizes) -> "Results":
        """Measure everything, part by part."""
        return cls(
            sizes=sizes,
            hosts=calls.measure(HOSTS, sizes),
            plugins=calls.measure(PLUGINS, sizes),
            starts=starts.measure(sizes),
            fleets=fleets.measure(sizes),
            terraform=terraform.measure(sizes),
            stream_bytes=bytes_of_idle_streams(sizes.streams),
        )
