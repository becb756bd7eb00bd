"""Keep secrets with Vault's KV plugin, without Vault.

    python examples/vault/secrets_host.py PLUGIN [SHA256]

PLUGIN is vault-plugin-secrets-kv. One process of it serves two mounts: of version 1 of
the engine, which keeps a secret, and of version 2, which keeps its older versions, too.
All is stored in this program's memory.
"""

import sys

import grpc
from mount import Mount, VaultError, is_multiplexed, plugin_config

from goplugin_py import Client


def main(plugin: str, sha256: str = "") -> None:
    config = plugin_config([plugin], checksum=bytes.fromhex(sha256) or None)
    with Client(config) as client:
        print(f"version {client.negotiated_version} of the protocol", end=", ")
        print("many mounts" if is_multiplexed(client) else "one mount")
        with Mount(client) as plain, Mount(client, {"version": "2"}) as versioned:
            for mount in (plain, versioned):
                mount.initialize()
            use(plain)
            use_versions(versioned)


def use(mount: Mount) -> None:
    mount.write("apps/db", {"password": "s3cret"})
    mount.write("apps/mail", {"password": "hunter2"})
    print("kv 1:", mount.keys("apps/"), mount.read("apps/db"))
    mount.delete("apps/mail")
    print("kv 1:", mount.keys("apps/"), mount.read("apps/mail"))


def use_versions(mount: Mount) -> None:
    for password in ("s3cret", "s3cr3t"):
        mount.write("data/apps/db", {"data": {"password": password}})
    for version in (1, 2):
        found = mount.request("read", "data/apps/db", {"version": version}) or {}
        print("kv 2: version", found["metadata"]["version"], found["data"])
    print("kv 2:", mount.keys("metadata/"))
    print("kv 2:", ", ".join(mount.announcements.events))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (VaultError, grpc.RpcError) as exc:
        sys.exit(f"the plugin failed: {exc}")
