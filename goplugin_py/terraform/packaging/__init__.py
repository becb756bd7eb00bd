"""Packages of providers that are written in Python, for Terraform and OpenTofu.

A package is one executable: a `launcher` of the provider where it lies, or an `archive`
with everything that it needs. `Package` puts it where Terraform looks.
"""

from goplugin_py.terraform.packaging.address import ProviderAddress
from goplugin_py.terraform.packaging.archive import archive
from goplugin_py.terraform.packaging.dirhash import hash_directory, hash_zip
from goplugin_py.terraform.packaging.entry import Entry
from goplugin_py.terraform.packaging.errors import PackagingError
from goplugin_py.terraform.packaging.launcher import launcher
from goplugin_py.terraform.packaging.package import Package
from goplugin_py.terraform.packaging.snippet import mirror_snippet, override_snippet

__all__ = [
    "Entry",
    "Package",
    "PackagingError",
    "ProviderAddress",
    "archive",
    "hash_directory",
    "hash_zip",
    "launcher",
    "mirror_snippet",
    "override_snippet",
]
