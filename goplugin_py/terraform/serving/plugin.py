"""Providers as plugins: what Terraform starts.

Until the first call nothing of values and schemas is imported, so that the handshake
is early.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterable
from typing import Any

from goplugin_py import Plugin, ServeConfig
from goplugin_py import serve as serve_plugin
from goplugin_py.terraform.handshake import HANDSHAKE
from goplugin_py.terraform.serving.logs import configure_logs
from goplugin_py.terraform.serving.provider import Provider, provider_name

__all__ = ["serve", "serve_config"]

# Terraform has ten calls going on; Stop must get through while they are.
MAX_WORKERS = 32

# What terraform-plugin-go accepts and sends in one message.
MAX_MESSAGE = 256 << 20

VERSIONS = (5, 6)


class ProviderPlugin(Plugin):
    """A provider in one of the protocols."""

    def __init__(self, provider: Provider, version: int) -> None:
        self._provider = provider
        self._version = version
        self._lock = threading.Lock()  # held while the methods are made
        self._methods: dict[str, Any] = {}

    def grpc_server(self, broker: Any, server: Any) -> None:
        """Add the provider's service."""
        messages = importlib.import_module(
            f"goplugin_py.terraform.tfplugin{self._version}"
        )
        names = [name for name in vars(messages.ProviderServicer) if name[0].isupper()]
        methods = {name: self._method(name) for name in names}
        servicer = type("Servicer", (messages.ProviderServicer,), methods)()
        messages.add_ProviderServicer_to_server(servicer, server)

    def _method(self, name: str) -> Any:
        def answer(servicer: Any, request: Any, context: Any) -> Any:
            method = self._made().get(name)
            if method is None:
                return getattr(super(type(servicer), servicer), name)(request, context)
            return method(request, context)

        return answer

    def _made(self) -> dict[str, Any]:
        with self._lock:
            if not self._methods:
                # Slow to import, and not needed before the first call.
                from goplugin_py.terraform.serving.servicer import methods_of

                self._methods = methods_of(self._provider, self._version)
            return self._methods


def serve_config(
    provider: Provider, *, versions: Iterable[int] = VERSIONS, **options: Any
) -> ServeConfig:
    """Return how to serve a provider, for `goplugin_py.PluginServer` and changes.

    Args:
        provider: An instance of the author's class.
        versions: The protocols to offer.
        options: Further fields of `ServeConfig`.
    """
    limits = [
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        ("grpc.max_send_message_length", MAX_MESSAGE),
    ]
    defaults: dict[str, Any] = {"max_workers": MAX_WORKERS, "server_options": limits}
    return ServeConfig(
        handshake=HANDSHAKE,
        versioned_plugins={
            version: {"provider": ProviderPlugin(provider, version)}
            for version in versions
        },
        **(defaults | options),
    )


def serve(provider: Provider, *, address: str = "", **options: Any) -> None:
    """Be a provider: serve until Terraform asks for the end.

    Started with `-debug` it tells how to reattach to it, and serves until Ctrl-C.

    Args:
        provider: An instance of the author's class.
        address: What Terraform knows it by, as `example.com/acme/notes`; for `-debug`.
        options: Fields of `ServeConfig`.
    """
    config = serve_config(provider, **options)
    configure_logs(address.rpartition("/")[2] or provider_name(provider))
    if sys.argv[1:]:
        # Terraform gives no arguments, and argparse is slow to import.
        from goplugin_py.terraform.serving.debug import debug_version, serve_debug

        version = debug_version(sys.argv[1:], config.plugin_sets, address)
        if version is not None:
            serve_debug(config, address, version)
            return
    serve_plugin(config)
