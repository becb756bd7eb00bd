"""A secrets engine that makes passwords, and replaces what has been lent out.

    password/NAME   write {"policy": "..."} or {} to have one made; read to borrow it
    password/       list
    about           what serves this, for everybody

A password that was read is on a lease. When the lease ends, a new one takes its place.
"""

import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from vault import ErrorType
from vault_pb import backend_pb2 as pb
from vault_pb.backend_pb2_grpc import StorageStub, SystemViewStub

FOLDER = "password/"
FORMAT = 1
# The server may be waiting for a disk, or for its peers.
CALL_TIMEOUT = 30.0

Data: TypeAlias = dict[str, Any]


class Refused(Exception):
    """A request can't be served; the text is for the user."""

    def __init__(self, kind: ErrorType, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Storage:
    """What the server keeps for this engine, as JSON."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = StorageStub(channel)

    def get(self, key: str) -> Any:
        reply = self._stub.Get(pb.StorageGetArgs(key=key), timeout=CALL_TIMEOUT)
        self._check(reply.err)
        return json.loads(reply.entry.value) if reply.HasField("entry") else None

    def put(self, key: str, value: Any) -> None:
        entry = pb.StorageEntry(key=key, value=json.dumps(value).encode())
        reply = self._stub.Put(pb.StoragePutArgs(entry=entry), timeout=CALL_TIMEOUT)
        self._check(reply.err)

    def delete(self, key: str) -> None:
        reply = self._stub.Delete(pb.StorageDeleteArgs(key=key), timeout=CALL_TIMEOUT)
        self._check(reply.err)

    def keys(self, prefix: str) -> list[str]:
        reply = self._stub.List(pb.StorageListArgs(prefix=prefix), timeout=CALL_TIMEOUT)
        self._check(reply.err)
        return list(reply.keys)

    def _check(self, error: str) -> None:
        if error:
            raise Refused(ErrorType.INTERNAL, f"the storage failed: {error}")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a request comes back with."""

    data: Data | None = None
    lent: str = ""
    """The name of the password that is on a lease from now on."""


class Passwords:
    """The engine of one mount."""

    special_paths = pb.Paths(unauthenticated=["about"], seal_wrap_storage=[FOLDER])

    def __init__(self, storage: Storage, system: SystemViewStub) -> None:
        self._storage = storage
        self._system = system
        # Until the server says that something else has changed them.
        self._cache: dict[str, Data] = {}
        # One request at a time: what one reads is not to be cached after another, or
        # the server, has changed it.
        self._lock = threading.RLock()
        self._operations: dict[str, Callable[[str, Data], Answer]] = {
            "create": self._make,
            "update": self._make,
            "read": self._lend,
            "delete": self._delete,
            "list": self._list,
        }

    def initialize(self) -> None:
        """Refuse storage that a later version of this engine has written."""
        if (self._storage.get("format") or FORMAT) > FORMAT:
            raise Refused(ErrorType.INTERNAL, "the storage is of a later version")
        self._storage.put("format", FORMAT)

    def exists(self, path: str) -> bool:
        """Return whether there is something to update."""
        with self._lock:
            return path.startswith(FOLDER) and self._find(path) is not None

    def handle(self, operation: str, path: str, data: Data) -> Answer:
        """Serve a user's request.

        Raises:
            Refused: There is nothing at the path, or not for this operation.
        """
        if path == "about":
            return self._about(operation)
        if not path.startswith(FOLDER):
            raise Refused(ErrorType.UNSUPPORTED_PATH, f"there is nothing at {path}")
        if operation not in self._operations or (operation == "list") != (
            path == FOLDER
        ):
            raise Refused(
                ErrorType.UNSUPPORTED_OPERATION, f"{operation} does not work at {path}"
            )
        with self._lock:
            return self._operations[operation](path, data)

    def replace(self, path: str) -> None:
        """Make a new password where one was lent out, if it still exists."""
        with self._lock:
            if (entry := self._find(path)) is not None:
                self._make(path, {"policy": entry["policy"]})

    def lease_times(self) -> tuple[int, int]:
        """Return how long a lease lasts, and with renewals: nanoseconds."""
        default = self._system.DefaultLeaseTTL(pb.Empty(), timeout=CALL_TIMEOUT)
        longest = self._system.MaxLeaseTTL(pb.Empty(), timeout=CALL_TIMEOUT)
        return default.TTL, longest.TTL

    def forget(self, path: str) -> None:
        """Read anew what something else has changed."""
        with self._lock:
            self._cache.pop(path, None)

    def _make(self, path: str, data: Data) -> Answer:
        policy = data.get("policy", "")
        if not isinstance(policy, str) or data.keys() - {"policy"}:
            raise Refused(
                ErrorType.INVALID_REQUEST, "only policy can be given, the name of one"
            )
        entry = {"policy": policy, "password": self._password(policy)}
        self._storage.put(path, entry)
        self._cache[path] = entry
        return Answer()

    def _password(self, policy: str) -> str:
        if not policy:
            return secrets.token_urlsafe()
        request = pb.GeneratePasswordFromPolicyRequest(policy_name=policy)
        reply = self._system.GeneratePasswordFromPolicy(request, timeout=CALL_TIMEOUT)
        return reply.password

    def _lend(self, path: str, data: Data) -> Answer:
        entry = self._find(path)
        if entry is None:
            return Answer()
        return Answer(data={"password": entry["password"]}, lent=path)

    def _delete(self, path: str, data: Data) -> Answer:
        self._storage.delete(path)
        self.forget(path)
        return Answer()

    def _list(self, path: str, data: Data) -> Answer:
        return Answer(data={"keys": self._storage.keys(path)})

    def _about(self, operation: str) -> Answer:
        if operation != "read":
            raise Refused(
                ErrorType.UNSUPPORTED_OPERATION, f"{operation} does not work at about"
            )
        reply = self._system.PluginEnv(pb.Empty(), timeout=CALL_TIMEOUT)
        return Answer(data={"server": reply.plugin_environment.vault_version})

    def _find(self, path: str) -> Data | None:
        if path not in self._cache and (entry := self._storage.get(path)) is not None:
            self._cache[path] = entry
        return self._cache.get(path)
