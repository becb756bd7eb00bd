"""Manifests: what they say, and all that they must not get away with."""

from __future__ import annotations

import contextlib
import hashlib
import re
import textwrap

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from goplugin_py.errors import ManifestError
from goplugin_py.process.secure import SecureConfig
from goplugin_py.registry import Manifest, Version, parse_manifest
from tests.peers import ROOT

FULL = """
id: kv
name: Key-value store
author: The Iglu authors
version: 1.10.0
protocol_versions: [2, 1]
command: [./kv-plugin, --quiet]
checksum: sha256:{digest}
x-homepage: https://example.com
"""
DIGEST = hashlib.sha256(b"program").digest()


def test_all_fields_are_read() -> None:
    assert parse_manifest(FULL.format(digest=DIGEST.hex())) == Manifest(
        id="kv",
        name="Key-value store",
        author="The Iglu authors",
        version=Version((1, 10, 0)),
        protocol_versions=(1, 2),
        command=("./kv-plugin", "--quiet"),
        secure=SecureConfig(DIGEST),
    )


def test_id_and_version_are_enough() -> None:
    manifest = parse_manifest("id: kv\nversion: 1.0.0")
    assert str(manifest) == "kv 1.0.0"
    assert manifest.secure is None


def test_values_are_texts_whatever_yaml_makes_of_them_elsewhere() -> None:
    """YAML's booleans, octal numbers and dates surprise people."""
    manifest = parse_manifest("id: no\nversion: 1.0.0\nname: 010\nauthor: 2026-01-02")
    assert (manifest.id, manifest.name, manifest.author) == ("no", "010", "2026-01-02")


def test_a_checksum_of_digits_only_and_another_hash_are_fine() -> None:
    digest = "12" * 64
    manifest = parse_manifest(f"id: kv\nversion: 1.0.0\nchecksum: sha512:{digest}")
    assert manifest.secure == SecureConfig(bytes.fromhex(digest), "sha512")
    manifest = parse_manifest(f"id: kv\nversion: 1.0.0\nchecksum: {'12' * 32}")
    assert manifest.secure == SecureConfig(bytes.fromhex("12" * 32), "sha256")


def test_the_documentation_shows_a_manifest() -> None:
    text = (ROOT / "docs" / "supervision.md").read_text()
    [shown] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    manifest = parse_manifest(shown.replace("9f86d0...", DIGEST.hex()))
    assert str(manifest) == "kv 1.10.0"
    assert manifest.protocol_versions == (1, 2)
    assert manifest.command == ("./kv-plugin", "--quiet")


def having(line: str) -> str:
    """A good manifest but for one line."""
    key = line.split(":", maxsplit=1)[0]
    lines = {"id": "id: kv", "version": "version: 1.0.0", key: line}
    return "\n".join(lines.values())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("version: 1.0", "version: '1.0' is not a semantic version"),
        ("version: [1, 0, 0]", "version: must be a text"),
        ("id: ../../etc", "id: must have letters"),
        ("id: ''", "id: must have letters"),
        ("id: {a: b}", "id: must be a text"),
        ('name: "a\\nb"', "name: must be one line"),
        ('author: "\\e[31m"', "author: must be one line of printable"),
        ("author: [a, b]", "author: must be a text"),
        ("protocol_versions: 1", "protocol_versions: must be a list"),
        ("protocol_versions: []", "protocol_versions: must be a list"),
        ("protocol_versions: [one]", "protocol_versions: must be a list of whole"),
        ("protocol_versions: [-1]", "protocol_versions: must be a list of whole"),
        (f"protocol_versions: [{'9' * 5000}]", "must be a list of whole numbers"),
        ("command: rm -rf /", "command: must be a list"),
        ("command: ['']", "command: must start with a program"),
        ("command: [[a]]", "command: must be a text"),
        ('command: ["a\\0b"]', "command: must be one line"),
        ("checksum: md6:00", "checksum: hashlib has no hash 'md6'"),
        ("checksum: sha256:abc", "checksum: must be in hexadecimal"),
        ("checksum: sha256:zz", "checksum: must be in hexadecimal"),
        ("checksum: sha256:00ff", "checksum: a sha256 checksum has 32 bytes, not 2"),
        ("checksum: shake_128:00ff", "no fixed length"),
        ("cheksum: sha256:00", "unknown key 'cheksum'; the known are: id, version"),
    ],
    ids=lambda text: text[:30],
)
def test_a_field_that_is_wrong_is_named(line: str, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        parse_manifest(having(line))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be a mapping"),
        ("just a text", "must be a mapping"),
        ("[a, b]", "must be a mapping"),
        ("id: kv", "the key 'version' is missing"),
        ("version: 1.0.0", "the key 'id' is missing"),
        ("[a]: b\nid: kv\nversion: 1.0.0", "not YAML"),
        ("id: kv\nid: other\nversion: 1.0.0", "key twice"),
        ("id: kv\nversion: 1.0.0\nx-a: {b: 1, b: 2}", "key twice"),
        ("id: &a kv\nversion: *a", "anchor or an alias"),
        ("id: kv\nversion: 1.0.0\n---\nid: other", "not YAML"),
        ("id: {", "not YAML"),
        ("id: \x00", "not YAML"),
        ("%YAML 9.9\n---\nid: kv", "not YAML"),
        ("x-a: " + "[" * 10_000, "nested too deeply"),
        ("x-a: " + "{a: " * 4_000, "nested too deeply"),
        ("x" * 70_000, "longer than 16384"),
    ],
    ids=range(16),
)
def test_a_file_that_is_no_manifest_is_refused(text: str, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        parse_manifest(text)


def test_tags_make_no_objects() -> None:
    """A text stays a text, whatever it is tagged as."""
    text = "id: !!python/object/apply:os.getcwd []\nversion: 1.0.0"
    with pytest.raises(ManifestError, match="id: must be a text"):
        parse_manifest(text)


def test_a_bomb_of_aliases_is_refused_before_it_grows() -> None:
    """The "billion laughs" of YAML."""
    bomb = textwrap.dedent(
        """
        x-a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]
        x-b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]
        x-c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]
        id: *c
        """
    )
    with pytest.raises(ManifestError, match="anchor or an alias"):
        parse_manifest(bomb)


@given(st.text())
@example("id: kv\nversion: 1.0.0\n? [a]\n: b")
@example("id: kv\nversion: 1.0.0\n<<: {author: x}")
@example("\ud800")
def test_any_text_is_a_manifest_or_a_typed_error(text: str) -> None:
    with contextlib.suppress(ManifestError):
        assert parse_manifest(text).id
