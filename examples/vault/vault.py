"""What Vault and its plugins agree on before they talk, and about each call.

OpenBao has kept all of it, names included.
"""

import enum
import os

from goplugin_py import HandshakeConfig

# Each is served for several versions, so that the one given here is not used.
BACKEND = HandshakeConfig(
    protocol_version=5,
    magic_cookie_key="VAULT_BACKEND_PLUGIN",
    magic_cookie_value="6669da05-b1c8-4f49-97d9-c8e5bed98e20",
)
DATABASE = HandshakeConfig(
    protocol_version=6,
    magic_cookie_key="VAULT_DATABASE_PLUGIN",
    magic_cookie_value="926a0820-aea2-be28-51d6-83cdf00e8edb",
)

# In the metadata of each call: which instance of the plugin it is for. A process has
# many from version 5 on (secrets) or 6 (databases).
MULTIPLEX_ID = "multiplex_id"

NANOSECONDS = 10**9
"""Per second: Vault has all durations in nanoseconds."""


class ErrorType(enum.IntEnum):
    """What kind of error a backend has answered with."""

    OTHER = 0
    USER = 1
    INTERNAL = 2
    CODED = 3
    BAD_REQUEST = 4
    UNSUPPORTED_OPERATION = 5
    UNSUPPORTED_PATH = 6
    INVALID_REQUEST = 7
    PERMISSION_DENIED = 8
    AUTHORIZATION_PENDING = 9
    UNRECOVERABLE = 10

    @classmethod
    def _missing_(cls, _value: object) -> "ErrorType":
        """Take the kinds of later versions for what has a text and no more."""
        return cls.OTHER


class BackendType(enum.IntEnum):
    """What a backend is for."""

    UNKNOWN = 0
    SECRETS = 1
    AUTH = 2


def environment(version: str, *, metadata_mode: bool) -> dict[str, str]:
    """Return the variables that tell a plugin about the server that starts it.

    Args:
        version: The server's.
        metadata_mode: Whether it is only asked what it is.
    """
    return {
        "VAULT_VERSION": version,
        "VAULT_PLUGIN_METADATA_MODE": str(metadata_mode).lower(),
        # Or else plugins in Go fetch a certificate from the server's API.
        "VAULT_PLUGIN_AUTOMTLS_ENABLED": "true",
    }


def in_metadata_mode() -> bool:
    """Return whether this plugin is only asked what it is."""
    of_vault = os.environ.get("VAULT_PLUGIN_METADATA_MODE")
    return os.environ.get("BAO_PLUGIN_METADATA_MODE", of_vault) == "true"
