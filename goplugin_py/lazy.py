"""Public names that are imported when they are first used: start-up time is a feature.

A leaf: packages give it their names in `__init__`.
"""

import importlib
import sys

# What `typing` calls so; importing that costs more than all of this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy(
    package: str, homes: "Mapping[str, str]"
) -> "tuple[Callable[[str], object], Callable[[], list[str]]]":
    """Return a package's `__getattr__` and `__dir__`.

    Args:
        package: Its `__name__`.
        homes: By public name, the module that defines it, below the package, or beside
            it with a dot before the name. A public module is at home in itself.
    """

    def get(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f".{home}", package)
        value: object = module if name == home else getattr(module, name)
        setattr(sys.modules[package], name, value)  # `get` is not asked again
        return value

    return get, lambda: sorted(homes)
