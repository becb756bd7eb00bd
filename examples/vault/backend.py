"""A secrets plugin for Vault and OpenBao, written in Python; see passwords.py.

Put this into the server's `plugin_directory` as `passwords`, executable:

    #!/bin/sh
    exec /path/to/python /path/to/examples/vault/backend.py

    $ vault plugin register -sha256=$(sha256sum passwords | cut -d' ' -f1) \
        secret passwords
    $ vault secrets enable passwords
    $ vault write -f passwords/password/web
    $ vault read passwords/password/web

The checksum is of the launcher alone.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from instances import Instances
from passwords import Answer, Passwords, Refused, Storage
from vault import BACKEND, BackendType, ErrorType, in_metadata_mode
from vault_pb import backend_pb2 as pb
from vault_pb.backend_pb2_grpc import (
    BackendServicer,
    SystemViewStub,
    add_BackendServicer_to_server,
)
from vault_pb.multiplexing_pb2_grpc import add_PluginMultiplexingServicer_to_server
from vault_pb.version_pb2 import VersionReply
from vault_pb.version_pb2_grpc import (
    PluginVersionServicer,
    add_PluginVersionServicer_to_server,
)

from goplugin_py import Broker, Plugin, ServeConfig, serve
from goplugin_py.errors import BrokerError

VERSION = "v0.1.0"

T = TypeVar("T")

log = logging.getLogger("passwords")


@dataclass(frozen=True)
class Mounted:
    """An engine, and its connection to the server."""

    engine: Passwords
    channel: grpc.Channel


class Backend(BackendServicer, PluginVersionServicer):
    """Answers the server, which asks for a mount in this order."""

    def __init__(self, broker: Broker, mounts: Instances[Mounted]) -> None:
        self._broker = broker
        self._mounts = mounts

    def Setup(
        self, request: pb.SetupArgs, context: grpc.ServicerContext
    ) -> pb.SetupReply:
        """Dial now: the server's address is forgotten soon after this."""
        self._mounts.name(context)
        try:
            channel = self._broker.dial(request.broker_id)
        except BrokerError as exc:
            return pb.SetupReply(err=f"the storage can't be reached: {exc}")
        engine = Passwords(Storage(channel), SystemViewStub(channel))
        replaced = self._mounts.put(context, Mounted(engine, channel))
        if replaced is not None:
            replaced.channel.close()
        return pb.SetupReply()

    def Type(self, request: pb.Empty, context: grpc.ServicerContext) -> pb.TypeReply:
        self._mounts.get(context)
        return pb.TypeReply(type=BackendType.SECRETS)

    def Version(self, request: Any, context: grpc.ServicerContext) -> VersionReply:
        return VersionReply(plugin_version=VERSION)

    def SpecialPaths(
        self, request: pb.Empty, context: grpc.ServicerContext
    ) -> pb.SpecialPathsReply:
        return pb.SpecialPathsReply(paths=self._engine(context).special_paths)

    def Initialize(
        self, request: pb.InitializeArgs, context: grpc.ServicerContext
    ) -> pb.InitializeReply:
        _, error = attempt(self._working_engine(context).initialize)
        return pb.InitializeReply(err=error)

    def HandleExistenceCheck(
        self, request: pb.HandleExistenceCheckArgs, context: grpc.ServicerContext
    ) -> pb.HandleExistenceCheckReply:
        engine = self._working_engine(context)
        exists, error = attempt(lambda: engine.exists(request.request.path))
        return pb.HandleExistenceCheckReply(
            check_found=True, exists=bool(exists), err=error
        )

    def HandleRequest(
        self, request: pb.HandleRequestArgs, context: grpc.ServicerContext
    ) -> pb.HandleRequestReply:
        engine = self._working_engine(context)
        log.debug(
            "request",
            extra={
                "operation": request.request.operation,
                "path": request.request.path,
            },
        )
        response, error = attempt(lambda: respond(engine, request.request))
        return pb.HandleRequestReply(response=response, err=error)

    def InvalidateKey(
        self, request: pb.InvalidateKeyArgs, context: grpc.ServicerContext
    ) -> pb.Empty:
        self._working_engine(context).forget(request.key)
        return pb.Empty()

    def Cleanup(self, request: pb.Empty, context: grpc.ServicerContext) -> pb.Empty:
        mounted = self._mounts.remove(context)
        if mounted is not None:
            mounted.channel.close()
        return pb.Empty()

    def _engine(self, context: grpc.ServicerContext) -> Passwords:
        return self._mounts.get(context).engine

    def _working_engine(self, context: grpc.ServicerContext) -> Passwords:
        engine = self._engine(context)
        if in_metadata_mode():
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                "in metadata mode a plugin only says what it is",
            )
        return engine


def attempt(do: Callable[[], T]) -> tuple[T | None, pb.ProtoError | None]:
    """Return what comes of it, or else the error to tell the server."""
    try:
        return do(), None
    except Refused as exc:
        return None, pb.ProtoError(err_type=exc.kind, err_msg=str(exc))
    except grpc.RpcError as exc:
        text = f"the server does not answer: {exc.details()}"
        return None, pb.ProtoError(err_type=ErrorType.INTERNAL, err_msg=text)


def respond(engine: Passwords, request: pb.Request) -> pb.Response | None:
    """Serve a request: about a lease, or else about a path."""
    if request.operation in {"renew", "revoke"}:
        return respond_to_lease(engine, request)
    data = json.loads(request.data or "null") or {}
    answer = engine.handle(request.operation, request.path, data)
    return response_of(answer, engine)


def respond_to_lease(engine: Passwords, request: pb.Request) -> pb.Response | None:
    """Renew a lease, or end it."""
    lent = (json.loads(request.secret.internal_data or "null") or {}).get("lent", "")
    if not lent:
        raise Refused(ErrorType.INVALID_REQUEST, "the lease is not of this plugin")
    if request.operation == "renew":
        return pb.Response(secret=lease(engine, lent), data="{}")
    engine.replace(lent)
    return None


def response_of(answer: Answer, engine: Passwords) -> pb.Response | None:
    if answer.data is None:
        return None
    response = pb.Response(data=json.dumps(answer.data))
    if answer.lent:
        response.secret.CopyFrom(lease(engine, answer.lent))
    return response


def lease(engine: Passwords, lent: str) -> pb.Secret:
    default, longest = engine.lease_times()
    options = pb.LeaseOptions(TTL=default, MaxTTL=longest, renewable=True)
    # The server's to say, and yet it insists on one.
    options.issue_time.GetCurrentTime()
    return pb.Secret(lease_options=options, internal_data=json.dumps({"lent": lent}))


class BackendPlugin(Plugin):
    """Serves one mount, or, multiplexed, any number of them."""

    def __init__(self, *, multiplexed: bool) -> None:
        self._multiplexed = multiplexed

    def grpc_server(self, broker: Broker, server: grpc.Server) -> None:
        mounts = Instances[Mounted](multiplexed=self._multiplexed)
        backend = Backend(broker, mounts)
        add_BackendServicer_to_server(backend, server)
        add_PluginVersionServicer_to_server(backend, server)
        add_PluginMultiplexingServicer_to_server(mounts, server)


if __name__ == "__main__":
    single, multiplexed = (BackendPlugin(multiplexed=m) for m in (False, True))
    config = ServeConfig(
        handshake=BACKEND,
        versioned_plugins={
            3: {"backend": single},
            4: {"backend": single},
            5: {"backend": multiplexed},
        },
        # Each mount may have many requests at once, and each may wait for the storage.
        max_workers=100,
    )
    serve(config)
