"""A provider to be packaged."""

from pathlib import Path

from goplugin_py.terraform.packaging import Entry, Package, ProviderAddress, launcher

ADDRESS = ProviderAddress("example.com", "acme", "fake")

# Of the fake provider, by way of a module that is beside the script.
SCRIPT = """\
import sys
import beside
sys.argv[1:] = [beside.VERSION]
from tests.terraform.fake_provider import main
main()
"""


def make_project(folder: Path) -> Path:
    """Write the script and the module."""
    folder.mkdir()
    (folder / "provider.py").write_text(SCRIPT)
    (folder / "beside.py").write_text("VERSION = '6'\n")
    return folder


def package_of(project: Path) -> Package:
    entry = Entry.parse("provider.py", project)
    return Package(ADDRESS, launcher(entry, ADDRESS))
