"""Classes of a test as a provider, under the host kit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from goplugin_py.terraform import provider as host
from goplugin_py.terraform.resource import Resource as HostResource
from goplugin_py.terraform.serving import (
    DataSource,
    EphemeralResource,
    Provider,
    Resource,
)
from goplugin_py.terraform.serving.testing import provider_under_test


def provider_of(*offered: Any) -> Provider:
    """Return a provider with what it is to offer; the names begin with `test`."""

    def those(kind: Callable[..., Any] | type) -> Sequence[Any]:
        return [o for o in offered if isinstance(o, type) and issubclass(o, kind)]  # type: ignore[arg-type]

    members = {
        "resources": those(Resource),
        "data_sources": those(DataSource),
        "ephemeral_resources": those(EphemeralResource),
        "functions": [each for each in offered if not isinstance(each, type)],
    }
    made: Provider = type("TestProvider", (Provider,), members)()
    return made


@contextmanager
def served(*offered: Any, version: int = 6) -> Iterator[host.Provider]:
    """Serve classes and functions, configured."""
    with provider_under_test(provider_of(*offered), {}, version=version) as provider:
        yield provider


@contextmanager
def served_resource(model: type[Resource], version: int = 6) -> Iterator[HostResource]:
    """Serve one resource, and yield it as the host sees it."""
    with served(model, version=version) as provider:
        [name] = provider.schema.resources
        yield provider.resource(name)


class Thing(Resource):
    """A resource that does nothing: tests add what they are about."""

    def create(self) -> None: ...

    def delete(self) -> None: ...
