"""The snippets of the guides are executed, most of them against Go programs."""

import ast
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from interop.fixtures import BIN, ROOT, binary
from tests.docs.pages import Snippet, snippets

EXAMPLES = ROOT / "examples"
WITH_MODULES = [EXAMPLES / name for name in ("kv", "terraform_provider", "vault")]
TIMEOUT = 60  # seconds; a step takes about one, more on a busy machine
SNIPPETS = snippets()
# Those that other tests run.
FILES = [
    EXAMPLES / "kv" / "host.py",
    EXAMPLES / "kv" / "plugin.py",
    EXAMPLES / "dask" / "fleet.py",
    EXAMPLES / "terraform_provider" / "files.py",
]
IN_FILES = {
    name
    for name, snippet in SNIPPETS.items()
    if any(snippet.stands_in(file.read_text()) for file in FILES)
}


@dataclass(frozen=True)
class Scene:
    """What a snippet leaves out, and what comes of it."""

    before: str = ""
    after: str = ""
    prints: str = ""
    on_loop: bool = False

    def script(self, snippet: Snippet) -> str:
        code = snippet.code
        if self.on_loop:
            code = "import asyncio\nasync def main():\n" + textwrap.indent(
                code + self.after, "    "
            )
            return self.before + code + "\nasyncio.run(main())\n"
        return self.before + code + self.after


KV_HOST = """\
from dataclasses import replace
from pathlib import Path
from goplugin_py import *
from goplugin_py import aio
from kv_pb2 import GetRequest, PutRequest
from kv_pb2_grpc import KVStub
HANDSHAKE = HandshakeConfig(1, "BASIC_PLUGIN", "hello")
PLUGINS = {"kv": Plugin.from_stub(KVStub)}
config = ClientConfig(command=["kv-plugin"], handshake=HANDSHAKE, plugins=PLUGINS)
state = Path("state.json")
"""
# What is detached would outlive a snippet that fails.
DETACHED = """\
import atexit, contextlib, os, signal
@atexit.register
def end():
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(ReattachConfig.from_json(state.read_text()).pid, signal.SIGKILL)
"""
ATTACHABLE = """\
first = Client(replace(config, auto_mtls=False, detach=True))
state.write_text(first.reattach_config().to_json())
"""
VERSIONS = """\
from goplugin_py import *
from goplugin_py.terraform import HANDSHAKE, tfplugin5, tfplugin6
config = (
"""
REGISTERED = """\
import shutil
Path("plugins/kv").mkdir(parents=True)
shutil.copy(shutil.which("kv-plugin"), "plugins/kv/kv-plugin")
Path("plugins/kv/plugin.yaml").write_text(
    "id: kv\\nversion: 1.2.0\\ncommand: [./kv-plugin]\\n")
Path("kv_greeting").write_text("hello")
"""

NOTES = """\
from pathlib import Path
from provider import NotesProvider
from goplugin_py.terraform.serving.testing import check_life_cycle, provider_under_test
"""
SERVING = """\
from datetime import *
from goplugin_py.terraform.serving import *
"""
SECRETS = """\
import hashlib
from pathlib import Path
from shutil import which
from goplugin_py import Client
from mount import Mount
from secrets_host import plugin_config
program = Path(which("vault-plugin-secrets-kv"))
Path("vault-plugin-secrets-kv").symlink_to(program)
checksum = hashlib.sha256(program.read_bytes()).digest()
"""

# Snippets of a plugin, below a prelude, under go-plugin's example host.
KV_PLUGIN = """\
from pathlib import Path
from kv_pb2 import Empty, GetResponse
from kv_pb2_grpc import KVServicer, add_KVServicer_to_server
from goplugin_py import HandshakeConfig, Plugin, ServeConfig, serve
import asyncio, logging
async def store(key, value):
    Path("kv_" + key).write_bytes(value)
class KV(KVServicer):
    def Put(self, request, context):
        stored(request.key)
        Path("kv_" + request.key).write_bytes(request.value)
        return Empty()
    def Get(self, request, context):
        return GetResponse(value=Path("kv_" + request.key).read_bytes())
kv = Plugin.from_servicer(add_KVServicer_to_server, KV())
handshake = HandshakeConfig(1, "BASIC_PLUGIN", "hello")
"""
# Ends the server as soon as it has told its address.
TOLD = """\
import threading
from goplugin_py import ServeTestConfig as Config
def ServeTestConfig(on_ready):
    stop = threading.Event()
    return Config(on_ready=lambda config: (on_ready(config), stop.set()), stop=stop)
"""

# By page and first line.
SCENES = {
    "hosts: ClientConfig(": Scene(
        before=VERSIONS,
        after=")\nwith Client(config) as client: print(client.negotiated_version)\n",
        prints="5",
    ),
    "hosts: async with aio.Client(config) as client:": Scene(
        before=KV_HOST + "keys = ['a', 'b']\n",
        after="\n    print(sorted(p.name for p in Path().glob('kv_*')))",
        prints="['kv_a', 'kv_b']",
        on_loop=True,
    ),
    "hosts: client = Client(replace(config, auto_mtls=False, detach=True))": Scene(
        before=KV_HOST + DETACHED,
        after="print(ReattachConfig.from_json(state.read_text()).pid == client.pid)\n"
        "client.kill()\n",
        prints="True",
    ),
    "hosts: reattach = ReattachConfig.from_json(state.read_text())": Scene(
        before=KV_HOST + DETACHED + ATTACHABLE,
        after="client.dispense('kv').Put(PutRequest(key='a', value=b'1'))\n"
        "print(Path('kv_a').exists())\nclient.kill()\nfirst.kill()\n",
        prints="True",
    ),
    "hosts: from goplugin_py.testing import check_runner": Scene(
        before=KV_HOST + "my_runner = CommandRunner\n",
        after="test_my_runner()\nprint('kept')\n",
        prints="kept",
    ),
    "plugins: def tell(config):": Scene(
        before=KV_PLUGIN + TOLD, after="print('ended')\n", prints="ended"
    ),
    'security: SecureConfig(bytes.fromhex(CHECKSUM), hash="sha256")': Scene(
        before=KV_HOST
        + "import hashlib, shutil\n"
        + "program = Path(shutil.which('kv-plugin')).read_bytes()\n"
        + "CHECKSUM = hashlib.sha256(program).hexdigest()\n"
        + "secure = ",
        after="with Client(replace(config, secure=secure)) as c: print(c.exited)\n",
        prints="False",
    ),
    (
        "terraform-packaging: from goplugin_py.terraform.serving.testing import "
        "check_life_cycle, provider_under_test"
    ): Scene(before=NOTES, after="test_notes(Path())\nprint('kept')\n", prints="kept"),
    (
        "terraform-provider: with provider_under_test(NotesProvider(), "
        '{"folder": "notes"}) as notes:'
    ): Scene(before=NOTES, after="print('kept')\n", prints="kept"),
    "terraform-provider: class Rule(Nested):": Scene(
        before=SERVING, after="print(Rule(port=80).note)\n", prints="none"
    ),
    "terraform-provider: class Region(DataSource):": Scene(
        before=SERVING, after="print(join('-', 'a', 'b'))\n", prints="a-b"
    ),
    (
        'vault: with Client(plugin_config(["./vault-plugin-secrets-kv"], '
        "checksum=checksum)) as client:"
    ): Scene(before=SECRETS, after="print('read')\n", prints="read"),
    "supervision: from goplugin_py import ClientConfig, ConnectionLost": Scene(
        before=KV_HOST + REGISTERED,
        after="print(plugin.name)\n",
        prints="kv",
    ),
    'terraform: with Provider.launch("terraform-provider-time") as time:': Scene(
        before="from goplugin_py.terraform import Provider\n",
        after="print(parsed['year'])\n",
        prints="2026",
    ),
    "terraform: from goplugin_py.terraform.aio import Provider": Scene(
        after="print(parsed['year'])\n", prints="2026", on_loop=True
    ),
}

SERVE = 'plugins: serve(ServeConfig(handshake=handshake, plugins={"kv": kv}))'
GUARD = "plugins: import goplugin_py"
LOG = 'plugins: logging.getLogger("kv").info("stored", extra={"key": key})'
AIO = "plugins: from goplugin_py import aio"
UNDER_A_GO_HOST = {SERVE, GUARD, LOG, AIO}

# Too short to stand alone, or in need of a product: these are only compiled.
SKETCHES = {
    "hosts: service_id = broker.next_id()",
    "hosts: async with await broker.accept_and_serve(service_id, register) as server:",
    "hosts: def in_bubblewrap(spec):",
    "supervision: with plugin.lease() as lease:",
    (
        'terraform-provider: raise ProviderError("No such region", '
        'f"There is no {self.name}.", path="name")'
    ),
    "terraform: try:",
    'terraform: provider.data_source("aws_region").read({"name": "eu-west-1"})',
}


def run(command: list[str], cwd: Path, **env: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": ":".join(map(str, [ROOT, *WITH_MODULES])),
            **env,
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_snippet_is_in_an_executed_file_or_executed_or_called_a_sketch() -> None:
    """A new snippet needs a scene here, or a place in an example."""
    executed = IN_FILES | SCENES.keys() | UNDER_A_GO_HOST
    assert set(SNIPPETS) == executed | SKETCHES
    assert executed & SKETCHES == set()


@pytest.mark.parametrize("name", SCENES)
def test_a_snippet_works_as_it_stands(name: str, tmp_path: Path) -> None:
    """With go-plugin's own example, terraform-provider-time or a plugin of Vault."""
    for program in ("kv-plugin", "terraform-provider-time", "vault-plugin-secrets-kv"):
        assert binary(program).exists()
    scene = SCENES[name]
    (tmp_path / "scene.py").write_text(scene.script(SNIPPETS[name]))
    output = run([sys.executable, "scene.py"], tmp_path)
    assert output.splitlines()[-1] == scene.prints


@pytest.mark.parametrize("name", sorted(UNDER_A_GO_HOST))
def test_a_snippet_works_in_a_plugin(name: str, tmp_path: Path) -> None:
    """Under the host of go-plugin's example, which starts the plugin."""
    (tmp_path / "something_noisy.py").write_text("print('noise')\n")
    (tmp_path / "plugin.py").write_text(plugin_with(SNIPPETS[name].code, name))
    host = str(binary("kv-host"))
    env = {"KV_PLUGIN": f"'{sys.executable}' plugin.py", "KV_PROTO": "grpc"}
    run([host, "put", "greeting", "hello"], tmp_path, **env)
    assert (tmp_path / "kv_greeting").read_text() == "hello"


def plugin_with(code: str, name: str) -> str:
    """Return a plugin with the snippet where it belongs."""
    parts = {SERVE: "", GUARD: "", LOG: "pass\n"} | {name: code}
    stored = "def stored(key):\n" + textwrap.indent(parts[LOG], "    ")
    served = code if name == AIO else SNIPPETS[SERVE].code
    return parts[GUARD] + KV_PLUGIN + stored + served


@pytest.mark.parametrize("name", sorted(SKETCHES))
def test_a_sketch_is_python(name: str) -> None:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
    compile(SNIPPETS[name].code, name, "exec", flags)
