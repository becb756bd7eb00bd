"""The hashes of packages, against the Go module that Terraform takes them from."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goplugin_py.terraform.packaging import (
    Package,
    ProviderAddress,
    hash_directory,
    hash_zip,
)
from interop.fixtures import binary
from tests.peers import SCRIPT_WAIT

# Each one is a process.
EXAMPLES = 15

NAMES = st.text("aB0_-. é~\U0001f40d", min_size=1, max_size=4).filter(
    lambda name: name not in (".", "..")
)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join),
    st.binary(max_size=40),
    max_size=6,
)


def hash_of_go(path: Path) -> str:
    command = [binary("dirhash"), path]
    return subprocess.check_output(command, text=True, timeout=SCRIPT_WAIT).strip()


def grow(root: Path, tree: dict[str, bytes]) -> None:
    root.mkdir()
    for name, data in tree.items():
        path = root / name
        # One may be named as a folder of another.
        if not path.exists() and not any(p.is_file() for p in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(TREES)
def test_go_has_the_same_hash_of_a_directory(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes]
) -> None:
    root = tmp_path_factory.mktemp("trees") / "tree"
    grow(root, tree)
    assert hash_directory(root) == hash_of_go(root)


def test_go_has_the_same_hash_of_files_behind_links(tmp_path: Path) -> None:
    grow(tmp_path / "package", {"provider": b"#!/bin/sh\n"})
    (tmp_path / "elsewhere").write_bytes(b"data")
    (tmp_path / "package" / "link").symlink_to(tmp_path / "elsewhere")
    assert hash_directory(tmp_path / "package") == hash_of_go(tmp_path / "package")


def test_go_has_the_same_hash_of_both_kinds_of_mirrors(tmp_path: Path) -> None:
    package = Package(ProviderAddress.parse("example.com/acme/shelf"), b"#!/bin/sh\n")
    packed = package.write_packed_mirror(tmp_path, "1.0.0")
    unpacked = package.write_mirror(tmp_path, "1.0.0").parent
    ours = {hash_zip(packed), hash_directory(unpacked)}
    assert ours == {hash_of_go(packed)} == {hash_of_go(unpacked)}
