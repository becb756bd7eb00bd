"""What Terraform, OpenTofu and every provider agree on."""

from goplugin_py import HandshakeConfig

__all__ = ["HANDSHAKE"]

# Terraform: internal/plugin.Handshake. The version is that of providers from before
# versions were negotiated; all since then offer 5 or 6 in `versioned_plugins`.
HANDSHAKE = HandshakeConfig(
    protocol_version=4,
    magic_cookie_key="TF_PLUGIN_MAGIC_COOKIE",
    magic_cookie_value=(
        "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"
    ),
)
