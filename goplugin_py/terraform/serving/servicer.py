"""The gRPC servicer of a provider, in either protocol."""

from __future__ import annotations

from typing import Any

from goplugin_py.terraform.protocol import Protocol
from goplugin_py.terraform.serving.apply_calls import ApplyCalls
from goplugin_py.terraform.serving.calls import Session
from goplugin_py.terraform.serving.other_calls import DataSourceCalls, EphemeralCalls
from goplugin_py.terraform.serving.plan_calls import PlanCalls
from goplugin_py.terraform.serving.provider import Provider
from goplugin_py.terraform.serving.provider_calls import ProviderCalls
from goplugin_py.terraform.serving.state_calls import StateCalls

__all__ = ["methods_of"]

_CALLS = (
    ProviderCalls,
    PlanCalls,
    ApplyCalls,
    StateCalls,
    DataSourceCalls,
    EphemeralCalls,
)


def methods_of(provider: Provider, version: int) -> dict[str, Any]:
    """Return the methods of a provider's servicer, by the names of its protocol.

    What is missing is answered with UNIMPLEMENTED, as the protocols want it.

    Args:
        provider: The author's instance.
        version: The protocol's major version, 5 or 6.
    """
    protocol = Protocol(version)
    session = Session(provider, protocol)
    return {
        protocol.rpc(name): getattr(calls, name)
        for calls in (kind(session) for kind in _CALLS)
        for name in vars(type(calls))
        if name[0].isupper()
    }
