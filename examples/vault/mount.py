"""Secrets plugins of Vault and OpenBao, used from Python in the place of the server.

with Client(plugin_config(["./vault-plugin-secrets-kv"])) as client:
    with Mount(client) as mount:
        mount.write("apps/db", {"password": "s3cret"})
"""

import functools
import json
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias

import grpc
import services
from vault import BACKEND, MULTIPLEX_ID, BackendType, ErrorType, environment
from vault_pb import backend_pb2 as pb
from vault_pb.backend_pb2_grpc import BackendStub, StorageServicer
from vault_pb.multiplexing_pb2 import MultiplexingSupportRequest
from vault_pb.multiplexing_pb2_grpc import PluginMultiplexingStub
from vault_pb.version_pb2 import Empty
from vault_pb.version_pb2_grpc import PluginVersionStub

from goplugin_py import Client, ClientConfig, Plugin, SecureConfig

SERVER_VERSION = "1.21.0"
# A plugin may have to ask a slow service; what takes longer is lost.
CALL_TIMEOUT = 60.0
# All have the same methods. From 5 on, a process may serve many mounts.
VERSIONS = (3, 4, 5)

log = logging.getLogger("vault")

Data: TypeAlias = dict[str, Any]


class VaultError(Exception):
    """The plugin has refused a request."""

    def __init__(self, text: str, kind: ErrorType, code: int = 0) -> None:
        super().__init__(text)
        self.kind = kind
        self.code = code
        """The HTTP status that the plugin wishes for, or 0."""


def plugin_config(
    command: Sequence[str],
    *,
    checksum: bytes | None = None,
    metadata_mode: bool = False,
    versions: Sequence[int] = VERSIONS,
    **more: Any,
) -> ClientConfig:
    """Say how to start a secrets plugin.

    Args:
        command: The plugin, and its arguments.
        checksum: The SHA-256 that the plugin's file must have; Vault insists on one.
        metadata_mode: Whether the plugin is only asked what it is.
        versions: What to offer; the plugin takes the highest that it knows.
        more: Further fields of `ClientConfig`.
    """
    backend = {"backend": Plugin.from_stub(BackendStub)}
    return ClientConfig(
        command=command,
        handshake=BACKEND,
        versioned_plugins=dict.fromkeys(versions, backend),
        env=environment(SERVER_VERSION, metadata_mode=metadata_mode),
        secure=SecureConfig(checksum=checksum) if checksum else None,
        **more,
    )


class Mount:
    """A secrets engine: one instance of a plugin, with storage that is its own.

    A context manager; `close` unmounts.
    """

    def __init__(
        self,
        client: Client,
        options: Mapping[str, str] | None = None,
        *,
        storage: StorageServicer | None = None,
        uuid: str | None = None,
    ) -> None:
        """Set an instance up.

        Args:
            client: The plugin; many mounts may share one, if it is multiplexed.
            options: What the engine takes, such as `{"version": "2"}`.
            storage: Where its data goes; by default into memory.
            uuid: What the engine is called in its storage, for it to find again what
                it has stored; by default something new.

        Raises:
            VaultError: The plugin does not take the options.
        """
        self.announcements = services.Announcements()
        # Non-multiplexed plugins ignore it.
        channel = grpc.intercept_channel(client.channel, Named(secrets.token_hex(5)))
        self._backend = BackendStub(channel)
        self._version = PluginVersionStub(channel)
        service_id = client.broker.next_id()
        self._served = client.broker.accept_and_serve(
            service_id,
            functools.partial(
                services.add_to_server,
                storage=storage or services.MemoryStorage(),
                system=services.SystemView(SERVER_VERSION),
                announcements=self.announcements,
            ),
        )
        try:
            arguments = pb.SetupArgs(
                broker_id=service_id,
                Config=options,
                backendUUID=uuid or secrets.token_hex(16),
            )
            self._setup(arguments)
        except BaseException:
            self._served.stop()
            raise

    def _setup(self, arguments: pb.SetupArgs) -> None:
        reply = self._backend.Setup(arguments, timeout=CALL_TIMEOUT)
        if reply.err:
            raise VaultError(reply.err, ErrorType.OTHER)

    def initialize(self) -> None:
        """Let the engine prepare its storage; comes before the first request."""
        check(self._backend.Initialize(pb.InitializeArgs(), timeout=CALL_TIMEOUT))

    @property
    def kind(self) -> BackendType:
        reply = self._backend.Type(pb.Empty(), timeout=CALL_TIMEOUT)
        return BackendType(reply.type)

    @property
    def special_paths(self) -> pb.Paths:
        """The paths that the server treats in other ways than the rest."""
        return self._backend.SpecialPaths(pb.Empty(), timeout=CALL_TIMEOUT).paths

    @property
    def version(self) -> str:
        """The plugin's version; empty if it has none."""
        return self._version.Version(Empty(), timeout=CALL_TIMEOUT).plugin_version

    def read(self, path: str) -> Data | None:
        """Return what is there, if anything is."""
        return self.request("read", path)

    def write(self, path: str, data: Data) -> Data | None:
        """Create or update, whichever the plugin says it is."""
        request = pb.Request(operation="create", path=path, data=json.dumps(data))
        arguments = pb.HandleExistenceCheckArgs(request=request)
        reply = self._backend.HandleExistenceCheck(arguments, timeout=CALL_TIMEOUT)
        check(reply)
        is_new = reply.check_found and not reply.exists
        return self.request("create" if is_new else "update", path, data)

    def keys(self, path: str = "") -> list[str]:
        """Return the names right below a path; `/` ends those of folders."""
        return list((self.request("list", path) or {}).get("keys", ()))

    def delete(self, path: str) -> None:
        self.request("delete", path)

    def request(
        self, operation: str, path: str, data: Data | None = None
    ) -> Data | None:
        """Make any other request.

        Raises:
            VaultError: The plugin refuses it.
            grpc.RpcError: The plugin does not answer it.
        """
        request = pb.Request(
            id=secrets.token_hex(16),
            operation=operation,
            path=path,
            data=json.dumps(data or {}),
        )
        arguments = pb.HandleRequestArgs(request=request)
        reply = self._backend.HandleRequest(arguments, timeout=CALL_TIMEOUT)
        for warning in reply.response.warnings:
            log.warning("%s: %s", path, warning)
        check(reply)
        answer: Data | None = json.loads(reply.response.data or "null")
        refuse_http_error(answer or {})
        return answer

    def invalidate(self, key: str) -> None:
        """Say that something else has changed what is stored under a key."""
        self._backend.InvalidateKey(pb.InvalidateKeyArgs(key=key), timeout=CALL_TIMEOUT)

    def close(self) -> None:
        """Unmount. The plugin goes on, and so does what is stored."""
        try:
            self._backend.Cleanup(pb.Empty(), timeout=CALL_TIMEOUT)
        except grpc.RpcError as exc:
            # Like Vault: whatever is wrong with the plugin, this mount is gone.
            log.warning("the plugin did not clean up: %s", exc.details())
        finally:
            self._served.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Named(grpc.UnaryUnaryClientInterceptor):
    """Says with each call which mount it is for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], details: Any, request: Any
    ) -> Any:
        metadata = [*(details.metadata or ()), (MULTIPLEX_ID, self._name)]
        return continuation(details._replace(metadata=metadata), request)


def is_multiplexed(client: Client) -> bool:
    """Return whether the plugin serves more than one mount at a time."""
    stub = PluginMultiplexingStub(client.channel)
    request = MultiplexingSupportRequest()
    try:
        return stub.MultiplexingSupport(request, timeout=CALL_TIMEOUT).supported
    except grpc.RpcError as exc:
        if exc.code() is grpc.StatusCode.UNIMPLEMENTED:
            return False
        raise


def check(
    reply: pb.InitializeReply | pb.HandleExistenceCheckReply | pb.HandleRequestReply,
) -> None:
    """Raise the error that a reply has, in the words that are for users."""
    if reply.HasField("err"):
        text = reply.err.err_msg
        if isinstance(reply, pb.HandleRequestReply) and reply.response.data:
            text = (json.loads(reply.response.data) or {}).get("error", text)
        raise VaultError(text, ErrorType(reply.err.err_type), reply.err.err_code)


def refuse_http_error(answer: Data) -> None:
    """Raise if the answer is a page of HTTP that tells of an error."""
    code = answer.get("http_status_code", 0)
    if code >= 400:
        body = json.loads(answer.get("http_raw_body") or "null") or {}
        text = " ".join(body.get("errors") or body.get("warnings") or [f"HTTP {code}"])
        raise VaultError(text, ErrorType.CODED, code)
