"""What TFLint and its rulesets agree on before they talk."""

from goplugin_py import HandshakeConfig

HANDSHAKE = HandshakeConfig(
    protocol_version=11,
    magic_cookie_key="TFLINT_RULESET_PLUGIN",
    magic_cookie_value=(
        "5adSn1bX8nrDfgBqiAqqEkC6OE1h3iD8SqbMc5UUONx8x3xCF0KlPDsBRNDjoYDP"
    ),
)
