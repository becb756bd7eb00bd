"""A database plugin for Vault and OpenBao, written in Python: of SQLite; see users.py.

Put this into the server's `plugin_directory` as `sqlite-users`, executable:

    #!/bin/sh
    exec /path/to/python /path/to/examples/vault/database.py

    $ vault plugin register -sha256=$(sha256sum sqlite-users | cut -d' ' -f1) \
        database sqlite-users
    $ vault secrets enable database
    $ vault write database/config/app plugin_name=sqlite-users \
        file=/var/lib/app.db allowed_roles=reader
    $ vault write database/roles/reader db_name=app
    $ vault read database/creds/reader
"""

from typing import Any, NoReturn

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from instances import Instances
from users import User, Users, UsersError, new_name
from vault import DATABASE
from vault_pb import database_pb2 as pb
from vault_pb.database_pb2_grpc import (
    DatabaseServicer,
    add_DatabaseServicer_to_server,
)
from vault_pb.multiplexing_pb2_grpc import add_PluginMultiplexingServicer_to_server
from vault_pb.version_pb2 import VersionReply
from vault_pb.version_pb2_grpc import (
    PluginVersionServicer,
    add_PluginVersionServicer_to_server,
)

from goplugin_py import Broker, Plugin, ServeConfig, serve

VERSION = "v0.1.0"
PASSWORD = 0  # the type of credentials that is supported


class Database(DatabaseServicer, PluginVersionServicer):
    """Answers the server; what goes wrong is the status of a call."""

    def __init__(self, databases: Instances[Users]) -> None:
        self._databases = databases

    def Type(self, request: pb.Empty, context: grpc.ServicerContext) -> pb.TypeResponse:
        """Tell what this is for; asked before there is an instance, and with a name."""
        self._databases.name(context)
        return pb.TypeResponse(Type="sqlite")

    def Version(self, request: Any, context: grpc.ServicerContext) -> VersionReply:
        # Asked without a name, too.
        return VersionReply(plugin_version=VERSION)

    def Initialize(
        self, request: pb.InitializeRequest, context: grpc.ServicerContext
    ) -> pb.InitializeResponse:
        config = MessageToDict(request.config_data)
        file = config.get("file")
        if not file or not isinstance(file, str):
            refuse(context, "file is missing from the configuration: a path")
        users = Users(file)
        if request.verify_connection:
            attempt(context, users.check)
        self._databases.put(context, users)
        return pb.InitializeResponse(config_data=request.config_data)

    def NewUser(
        self, request: pb.NewUserRequest, context: grpc.ServicerContext
    ) -> pb.NewUserResponse:
        users = self._databases.get(context)
        if request.credential_type != PASSWORD or not request.password:
            refuse(context, "only users with passwords can be made")
        who = request.username_config
        user = User(
            name=new_name(who.display_name, who.role_name),
            password=request.password,
            expiration=text(request.expiration),
        )
        attempt(context, users.create, user, request.statements.Commands)
        return pb.NewUserResponse(username=user.name)

    def UpdateUser(
        self, request: pb.UpdateUserRequest, context: grpc.ServicerContext
    ) -> pb.UpdateUserResponse:
        users = self._databases.get(context)
        changed = request.HasField("password") or request.HasField("expiration")
        if not request.username or not changed:
            refuse(context, "a user and a new password or expiration are needed")
        user = User(
            name=request.username,
            password=request.password.new_password,
            expiration=text(request.expiration.new_expiration),
        )
        if request.HasField("password"):
            commands = request.password.statements.Commands
            attempt(context, users.change, user, "password", commands)
        if request.HasField("expiration"):
            commands = request.expiration.statements.Commands
            attempt(context, users.change, user, "expiration", commands)
        return pb.UpdateUserResponse()

    def DeleteUser(
        self, request: pb.DeleteUserRequest, context: grpc.ServicerContext
    ) -> pb.DeleteUserResponse:
        users = self._databases.get(context)
        if not request.username:
            refuse(context, "the user to delete is missing")
        user = User(name=request.username)
        attempt(context, users.delete, user, request.statements.Commands)
        return pb.DeleteUserResponse()

    def Close(self, request: pb.Empty, context: grpc.ServicerContext) -> pb.Empty:
        # Maybe one that was never initialized, because its configuration is wrong.
        self._databases.remove(context)
        return pb.Empty()


def attempt(context: grpc.ServicerContext, do: Any, *arguments: Any) -> None:
    """Let the server know what the database says."""
    try:
        do(*arguments)
    except UsersError as exc:
        context.abort(grpc.StatusCode.INTERNAL, str(exc))


def refuse(context: grpc.ServicerContext, why: str) -> NoReturn:
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, why)


def text(moment: Timestamp) -> str:
    return moment.ToJsonString() if moment.seconds else ""


class DatabasePlugin(Plugin):
    """Serves one database, or, multiplexed, any number of them."""

    def __init__(self, *, multiplexed: bool) -> None:
        self._multiplexed = multiplexed

    def grpc_server(self, broker: Broker, server: grpc.Server) -> None:
        databases = Instances[Users](multiplexed=self._multiplexed)
        database = Database(databases)
        add_DatabaseServicer_to_server(database, server)
        add_PluginVersionServicer_to_server(database, server)
        add_PluginMultiplexingServicer_to_server(databases, server)


if __name__ == "__main__":
    config = ServeConfig(
        handshake=DATABASE,
        versioned_plugins={
            5: {"database": DatabasePlugin(multiplexed=False)},
            6: {"database": DatabasePlugin(multiplexed=True)},
        },
        max_workers=100,
    )
    serve(config)
