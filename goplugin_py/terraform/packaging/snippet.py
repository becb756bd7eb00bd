"""What to write into Terraform's CLI configuration, so that it finds a package."""

from pathlib import Path

from goplugin_py.errors import ConfigError
from goplugin_py.terraform.packaging.address import ProviderAddress

__all__ = ["mirror_snippet", "override_snippet"]

# In such texts they would stand for something else.
_SPECIAL = set('"\\$\n')


def override_snippet(address: ProviderAddress, folder: Path) -> str:
    """Return what makes Terraform run the executable in a folder, whatever it is.

    Raises:
        ConfigError: The folder's name can't be written there.
    """
    return f"""\
provider_installation {{
  dev_overrides {{
    "{address}" = "{_checked(folder)}"
  }}
  direct {{}}
}}
"""


def mirror_snippet(address: ProviderAddress, folder: Path) -> str:
    """Return what makes `terraform init` install a provider from a mirror.

    Raises:
        ConfigError: The folder's name can't be written there.
    """
    return f"""\
provider_installation {{
  filesystem_mirror {{
    path    = "{_checked(folder)}"
    include = ["{address}"]
  }}
  direct {{
    exclude = ["{address}"]
  }}
}}
"""


def _checked(folder: Path) -> str:
    text = str(folder.absolute())
    if bad := sorted(_SPECIAL.intersection(text)):
        raise ConfigError(
            f"Terraform's CLI configuration can't name a folder with {bad[0]!r} in "
            f"its path: {text}"
        )
    return text
