"""The generated code against the oldest and newest protobuf and grpcio it allows."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Four wheels of a few megabytes, over a slow line.
PIP_TIMEOUT = 300.0
SCRIPT_TIMEOUT = 60.0

SCRIPT = """
import importlib, pathlib, sys
from importlib.metadata import version

print(version("protobuf"), version("grpcio"))
directory = pathlib.Path(sys.argv[1], "goplugin_py", "_pb")
names = sorted(path.stem for path in directory.glob("*_pb2*.py"))
assert "tfplugin6_pb2_grpc" in names
pb = {name: importlib.import_module(f"goplugin_py._pb.{name}") for name in names}

ConnInfo = pb["broker_pb2"].ConnInfo
ack = ConnInfo(service_id=5, knock=ConnInfo.Knock(knock=True, ack=True))
assert ack.SerializeToString().hex(" ") == "08 05 22 04 08 01 10 01"
assert ConnInfo.FromString(ack.SerializeToString()) == ack
StdioData = pb["stdio_pb2"].StdioData
assert StdioData.Channel.Name(StdioData.STDERR) == "STDERR"
for name in ("tfplugin5_pb2", "tfplugin6_pb2"):
    opened = pb[name].OpenEphemeralResource.Response(
        renew_at=pb["timestamp_pb2"].Timestamp(seconds=86400), private=b"x"
    )
    again = type(opened).FromString(opened.SerializeToString())
    assert again == opened and again.renew_at.ToDatetime().day == 2
    schema = pb[name].GetProviderSchema.Response()
    schema.resource_schemas["a"].block.attributes.add(name="id", write_only=True)
    assert type(schema).FromString(schema.SerializeToString()) == schema
"""


def requirements(*, oldest: bool) -> list[str]:
    """Return what the project requires of both, or the floors of that."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = []
    for name in ("protobuf", "grpcio"):
        pattern = re.compile(rf"{name}>=([\d.]+)(?:,.*)?")
        [match] = filter(None, map(pattern.fullmatch, project["dependencies"]))
        # "1.76" as a floor means 1.76.0, and so it does after "==".
        found.append(f"{name}=={match[1]}" if oldest else match[0])
    return found


@pytest.mark.parametrize("oldest", [True, False], ids=["oldest", "newest"])
def test_oldest_and_newest_protobuf_majors_load_the_generated_code(
    oldest: bool, tmp_path: Path
) -> None:
    """protobuf accepts generated code of its own major version and of the one before.

    Warnings are errors: protobuf announces with one that it will stop accepting it.
    """
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tmp_path)]
    subprocess.run(
        [*pip, *requirements(oldest=oldest)], check=True, timeout=PIP_TIMEOUT
    )
    # -S keeps the packages of this interpreter's own environment out.
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", SCRIPT, str(ROOT)],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=SCRIPT_TIMEOUT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    major = int(done.stdout.partition(".")[0])
    assert (major == 6) if oldest else (major >= 7)
