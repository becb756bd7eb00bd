"""What a server such as Vault serves to its secrets plugins, in memory."""

import secrets
import threading
from typing import Any

import grpc
from vault import NANOSECONDS
from vault_pb import backend_pb2 as pb
from vault_pb.backend_pb2_grpc import (
    EventsServicer,
    ObservationsServicer,
    StorageServicer,
    SystemViewServicer,
    add_EventsServicer_to_server,
    add_ObservationsServicer_to_server,
    add_StorageServicer_to_server,
    add_SystemViewServicer_to_server,
)
from vault_pb.plugin_pb2 import PluginEnvironment

HOUR = 3600 * NANOSECONDS


class MemoryStorage(StorageServicer):
    """Entries by key, for one mount.

    Without the transactions of OpenBao: plugins are told that they are unimplemented,
    and do without.
    """

    def __init__(self) -> None:
        self.entries: dict[str, pb.StorageEntry] = {}
        self._lock = threading.Lock()  # guards the entries

    def List(
        self, request: pb.StorageListArgs, context: grpc.ServicerContext
    ) -> pb.StorageListReply:
        """Name what is right below the prefix, once each."""
        with self._lock:
            below = [key for key in self.entries if key.startswith(request.prefix)]
        start = len(request.prefix)
        names = {"".join(key[start:].partition("/")[:2]) for key in below}
        return pb.StorageListReply(keys=sorted(names))

    def Get(
        self, request: pb.StorageGetArgs, context: grpc.ServicerContext
    ) -> pb.StorageGetReply:
        with self._lock:
            return pb.StorageGetReply(entry=self.entries.get(request.key))

    def Put(
        self, request: pb.StoragePutArgs, context: grpc.ServicerContext
    ) -> pb.StoragePutReply:
        with self._lock:
            self.entries[request.entry.key] = request.entry
        return pb.StoragePutReply()

    def Delete(
        self, request: pb.StorageDeleteArgs, context: grpc.ServicerContext
    ) -> pb.StorageDeleteReply:
        with self._lock:
            self.entries.pop(request.key, None)
        return pb.StorageDeleteReply()


class SystemView(SystemViewServicer):
    """What a plugin may know about the server: nothing is replicated, nobody known."""

    def __init__(self, version: str) -> None:
        self._version = version

    def DefaultLeaseTTL(self, request: Any, context: Any) -> pb.TTLReply:
        return pb.TTLReply(TTL=HOUR)

    def MaxLeaseTTL(self, request: Any, context: Any) -> pb.TTLReply:
        return pb.TTLReply(TTL=24 * HOUR)

    def Tainted(self, request: Any, context: Any) -> pb.TaintedReply:
        return pb.TaintedReply()

    def CachingDisabled(self, request: Any, context: Any) -> pb.CachingDisabledReply:
        return pb.CachingDisabledReply()

    def ReplicationState(self, request: Any, context: Any) -> pb.ReplicationStateReply:
        return pb.ReplicationStateReply()

    def ResponseWrapData(self, request: Any, context: Any) -> pb.ResponseWrapDataReply:
        return pb.ResponseWrapDataReply(err="this server wraps nothing")

    def MlockEnabled(self, request: Any, context: Any) -> pb.MlockEnabledReply:
        return pb.MlockEnabledReply()

    def LocalMount(self, request: Any, context: Any) -> pb.LocalMountReply:
        return pb.LocalMountReply()

    def EntityInfo(self, request: Any, context: Any) -> pb.EntityInfoReply:
        return pb.EntityInfoReply()

    def GroupsForEntity(self, request: Any, context: Any) -> pb.GroupsForEntityReply:
        return pb.GroupsForEntityReply()

    def PluginEnv(self, request: Any, context: Any) -> pb.PluginEnvReply:
        environment = PluginEnvironment(vault_version=self._version)
        return pb.PluginEnvReply(plugin_environment=environment)

    def GeneratePasswordFromPolicy(
        self, request: Any, context: Any
    ) -> pb.GeneratePasswordFromPolicyReply:
        """Make a good password, whatever the policy is called."""
        return pb.GeneratePasswordFromPolicyReply(password=secrets.token_urlsafe())

    def ClusterInfo(self, request: Any, context: Any) -> pb.ClusterInfoReply:
        return pb.ClusterInfoReply(cluster_name="python", cluster_id="in memory")


class Announcements(EventsServicer, ObservationsServicer):
    """Collects what plugins of Vault announce; those of OpenBao never do."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.observations: list[str] = []

    def SendEvent(self, request: pb.SendEventRequest, context: Any) -> pb.Empty:
        self.events.append(request.event_type)
        return pb.Empty()

    def RecordObservation(
        self, request: pb.RecordObservationRequest, context: Any
    ) -> pb.Empty:
        self.observations.append(request.observation_type)
        return pb.Empty()


def add_to_server(
    server: grpc.Server,
    storage: StorageServicer,
    system: SystemViewServicer,
    announcements: Announcements,
) -> None:
    """Serve all that a plugin looks for behind the id that `Setup` gives it."""
    add_StorageServicer_to_server(storage, server)
    add_SystemViewServicer_to_server(system, server)
    add_EventsServicer_to_server(announcements, server)
    add_ObservationsServicer_to_server(announcements, server)
