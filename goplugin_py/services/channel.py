"""Options of channels and servers, and the first call on a link."""

import copyreg
from collections.abc import Sequence
from typing import Any, NoReturn

import grpc

# go-plugin: dialGRPCConn allows 2 GiB each way; grpcio's default is 4 MiB.
_UNLIMITED = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    *_UNLIMITED,
    # Or a channel shares the connections of others to the same target, also those that
    # have just failed: the next plugin may get the port of one that was killed.
    ("grpc.use_local_subchannel_pool", 1),
    # A plugin is never behind a proxy, whatever the environment says.
    ("grpc.enable_http_proxy", 0),
    # What a path in place of a host name becomes; some servers check that it is one.
    ("grpc.default_authority", "localhost"),
    # Three times as many messages a second on a server stream (make bench). This is
    # grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, without its import.
    ("SingleThreadedUnaryStream", 1),
)

SERVER_OPTIONS: tuple[tuple[str, Any], ...] = (
    *_UNLIMITED,
    # Two servers must not share a port.
    ("grpc.so_reuseport", 0),
)

# As bytes, because the health package is slow to import.
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
HEALTH_REQUEST = b"\x0a\x06plugin"  # HealthCheckRequest{service: "plugin"}


def merged(
    ours: Sequence[tuple[str, Any]], users: Sequence[tuple[str, Any]]
) -> list[tuple[str, Any]]:
    """Return both, with the user's word on what both name: gRPC takes the first."""
    return list({**dict(ours), **dict(users)}.items())


def open_channel(target: str, options: Sequence[tuple[str, Any]] = ()) -> grpc.Channel:
    """Return a channel to a target of ours; it connects on the first call."""
    channel = grpc.insecure_channel(target, options=merged(CHANNEL_OPTIONS, options))
    # What channels and stubs hold, whose own refusal to be pickled helps nobody.
    copyreg.pickle(type(getattr(channel, "_channel", channel)), refuse_pickling)
    return channel


def refuse_pickling(_: object) -> NoReturn:
    """Say what to send in the place of a channel or a stub.

    Raises:
        TypeError: Always.
    """
    raise TypeError(
        "a gRPC channel or stub can't be pickled or copied: its connection is tied to "
        "this process. To use a plugin elsewhere, start one there"
    )


def connect_soon(channel: grpc.Channel) -> None:
    """Let a channel connect now, and not on its first call.

    The public way is asyncio's alone: `subscribe` starts a thread that complains when
    the channel is closed within moments.
    """
    core: Any = getattr(channel, "_channel", None)
    if core is not None:
        core.check_connectivity_state(True)


def is_answer(error: grpc.RpcError) -> bool:
    """Whether a failed call proves that a plugin is there: one without health."""
    return error.code() is grpc.StatusCode.UNIMPLEMENTED


def check_health(channel: grpc.Channel, timeout: float) -> None:
    """Ask for the health of the service `plugin` (go-plugin: `GRPCClient.Ping`).

    Raises:
        grpc.RpcError: The call failed.
    """
    check = channel.unary_unary(
        HEALTH_CHECK, request_serializer=bytes, response_deserializer=bytes
    )
    check(HEALTH_REQUEST, timeout=timeout)
