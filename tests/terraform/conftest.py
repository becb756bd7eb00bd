"""The fake provider, in both protocols."""

from collections.abc import Iterator

import pytest

from goplugin_py.terraform import Provider
from goplugin_py.terraform.resource import Resource
from tests.terraform.fake import launch


@pytest.fixture(scope="module", params=[5, 6], ids=["protocol 5", "protocol 6"])
def provider(request: pytest.FixtureRequest) -> Iterator[Provider]:
    with launch(request.param) as provider:
        assert provider.protocol_version == request.param
        yield provider


@pytest.fixture
def thing(provider: Provider) -> Resource:
    return provider.resource("fake_thing")
