"""Terraform and OpenTofu, run in a folder of their own, away from the world."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from interop.fixtures import ROOT, binary
from tests.peers import SCRIPT_WAIT

# terraform plan -detailed-exitcode
NOTHING_TO_DO, SOMETHING_TO_DO = 0, 2


class Product:
    """One of them, with a configuration.

    Attributes:
        name: `terraform` or `tofu`.
        folder: Where the configuration is, and the state.
        environ: The variables that it gets.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._executable = binary(name)
        self.environ = {k: v for k, v in os.environ.items() if k[:3] != "TF_"}
        self.environ |= {
            "HOME": str(folder),
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_ARGS": "-no-color",
            "TF_CLI_CONFIG_FILE": str(folder / "cli.tfrc"),
            "PYTHONPATH": str(ROOT),
            # An archive runs the first Python of its version.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self.configure("")

    def configure(self, text: str) -> None:
        """Write the CLI configuration."""
        (self.folder / "cli.tfrc").write_text(text)

    def override(self, executables: Mapping[str, Path]) -> None:
        """Take providers, by address, from where they are; that needs no `init`."""
        lines = []
        for address, executable in executables.items():
            kind = address.rpartition("/")[2]
            place = self.folder / f"dev-{kind}"
            place.mkdir()
            (place / f"terraform-provider-{kind}").symlink_to(executable)
            lines.append(f'"{address}" = "{place}"\n')
        overrides = f"dev_overrides {{\n{''.join(lines)}}}\ndirect {{}}"
        self.configure(f"provider_installation {{\n{overrides}\n}}")

    def write(self, text: str) -> None:
        """Write the configuration, in HCL."""
        (self.folder / "main.tf").write_text(text)

    def write_json(self, **parts: object) -> None:
        """Write the configuration, in JSON."""
        (self.folder / "main.tf.json").write_text(json.dumps(parts, default=float))

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run a command; return what it prints, errors too."""
        ended = self._run(arguments, subprocess.STDOUT)
        assert ended.returncode == status, ended.stdout
        return ended.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command; return what it prints in JSON."""
        ended = self._run(arguments, subprocess.PIPE)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout, parse_float=Decimal)

    def _run(
        self, arguments: tuple[str, ...], stderr: int
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._executable, *arguments],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=SCRIPT_WAIT,
            check=False,
        )

    def plan(self, status: int) -> str:
        """Plan; the status tells whether there is something to do."""
        return self.run("plan", "-detailed-exitcode", status=status)

    def apply(self, *options: str, status: int = 0) -> str:
        """Plan and apply."""
        return self.run("apply", "-auto-approve", *options, status=status)

    def stored(self, address: str) -> dict[str, Any]:
        """Return what the state file has of a resource, such as `notes_note.a`."""
        text = (self.folder / "terraform.tfstate").read_text()
        kind, _, name = address.partition(".")
        [found] = (
            resource["instances"][0]
            for resource in json.loads(text, parse_float=Decimal)["resources"]
            if (resource["type"], resource["name"]) == (kind, name)
        )
        instance: dict[str, Any] = found
        return instance
