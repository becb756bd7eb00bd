"""Terraform: its providers driven from Python, and their protocols.

`Provider.launch` starts any provider, without the terraform program:

    with Provider.launch("terraform-provider-time") as time:
        time.configure({})
        plan = time.resource("time_sleep").plan({"create_duration": "1s"})
        state = plan.apply()

`HANDSHAKE` is what Terraform, OpenTofu and every provider agree on.
`tfplugin5` and `tfplugin6` hold the messages and gRPC stubs of the two major
versions, `cty` the types and values. Everything is imported when first used: a process
speaks one of the protocols, and Terraform starts several provider processes per
command, so start-up time counts. Values need the `msgpack` library, which comes with
the extra `goplugin_py[terraform]`.
"""

from goplugin_py.lazy import lazy

# What `typing` calls so; importing that costs more than all else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from goplugin_py.terraform import cty, schema, tfplugin5, tfplugin6
    from goplugin_py.terraform.cty import UNKNOWN
    from goplugin_py.terraform.diagnostics import Diagnostic, Severity
    from goplugin_py.terraform.errors import (
        ApplyFailed,
        ApplyInterrupted,
        DiagnosticError,
        FunctionFailed,
        InvalidAnswer,
        InvalidConfig,
        NotSupported,
        ProviderNotFound,
        ProviderWarning,
        UnknownName,
    )
    from goplugin_py.terraform.handshake import HANDSHAKE
    from goplugin_py.terraform.plan import Action, Plan
    from goplugin_py.terraform.provider import Provider
    from goplugin_py.terraform.search import find_provider
    from goplugin_py.terraform.state import State

__all__ = [  # noqa: RUF022 - grouped
    # both sides
    "HANDSHAKE",
    "cty",
    "tfplugin5",
    "tfplugin6",
    # host
    "Action",
    "Diagnostic",
    "Plan",
    "Provider",
    "Severity",
    "State",
    "UNKNOWN",
    "find_provider",
    "schema",
    # errors
    "ApplyFailed",
    "ApplyInterrupted",
    "DiagnosticError",
    "FunctionFailed",
    "InvalidAnswer",
    "InvalidConfig",
    "NotSupported",
    "ProviderNotFound",
    "ProviderWarning",
    "UnknownName",
]

_HOMES = {
    "Action": "plan",
    "Diagnostic": "diagnostics",
    "HANDSHAKE": "handshake",
    "Plan": "plan",
    "Provider": "provider",
    "Severity": "diagnostics",
    "State": "state",
    "UNKNOWN": "cty",
    "cty": "cty",
    "find_provider": "search",
    "schema": "schema",
    "tfplugin5": "tfplugin5",
    "tfplugin6": "tfplugin6",
}

__getattr__, __dir__ = lazy(__name__, dict.fromkeys(__all__, "errors") | _HOMES)
