"""Magic cookies that are in use, so that plugins of those hosts start without more.

A cookie is public: it keeps people from running a plugin by hand, and nothing else.
"""

COOKIES = {
    # Terraform, OpenTofu and their other kinds of plugins
    "TF_PLUGIN_MAGIC_COOKIE": (
        "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"
    ),
    "TERRAFORM_RPCAPI_COOKIE": "fba0991c9bcd453982f0d88e2da95940",
    "TF_POLICY_PLUGIN": "6F11ED78A2AB",
    # TFLint
    "TFLINT_RULESET_PLUGIN": (
        "5adSn1bX8nrDfgBqiAqqEkC6OE1h3iD8SqbMc5UUONx8x3xCF0KlPDsBRNDjoYDP"
    ),
    # Vault and OpenBao: databases; secrets engines and authentication
    "VAULT_DATABASE_PLUGIN": "926a0820-aea2-be28-51d6-83cdf00e8edb",
    "VAULT_BACKEND_PLUGIN": "6669da05-b1c8-4f49-97d9-c8e5bed98e20",
    # Nomad
    "NOMAD_PLUGIN_MAGIC_COOKIE": (
        "e4327c2e01eabfd75a8a67adb114fb34a757d57eee7728d857a8cec6e91a7255"
    ),
    # Grafana
    "grafana_plugin_type": "datasource",
    # Others
    "HASHICORP_BOUNDARY_PLUGIN": "boundary-plugin",
    "MANTIX_PLUGIN_MAGIC_COOKIE": "really-complex-permanent-string-value",  # Steampipe
    "ABCI_LISTENER_PLUGIN": "ef78114d-7bdf-411c-868f-347c99a78345",  # Cosmos SDK
    "VELERO_PLUGIN": "hello",
    "BASIC_PLUGIN": "hello",  # go-plugin's own examples
}

# What such plugins want to know besides.
VARIABLES = {"VAULT_PLUGIN_AUTOMTLS_ENABLED": "true"}

# Plugins choose the highest version that both sides speak.
VERSIONS = range(21)
