"""Which imports load what, and that every public name is there and explained."""

import importlib
import inspect
import pkgutil
import sys

import pytest

import goplugin_py
from tests.peers import run_python

HEAVY = (
    "grpc",
    "google.protobuf",
    "ssl",
    "cryptography",
    "structlog",
    "yaml",
    "asyncio",
    "typing",
    "dataclasses",
    "logging",
)


def loaded_by(statement: str, names: tuple[str, ...]) -> set[str]:
    """Return which of the modules a fresh interpreter has after a statement."""
    report = f"import sys\n{statement}\nprint(*sys.modules)"
    modules = set(run_python(report)[0].split())
    return {
        name
        for name in names
        if any(each == name or each.startswith(f"{name}.") for each in modules)
    }


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Start-up time is a feature; a program may never start a plugin."""
    assert loaded_by("import goplugin_py", HEAVY[:7]) == set()


@pytest.mark.parametrize(
    "statement",
    [
        "from goplugin_py import ClientConfig, ServeConfig, HandshakeConfig, Plugin",
        "from goplugin_py import ConfigError, LaunchError, guard_stdout, Address",
    ],
)
def test_configurations_and_errors_need_no_grpc(statement: str) -> None:
    assert loaded_by(statement, HEAVY[:7]) == set()


def test_a_plugin_starts_without_what_it_may_not_need() -> None:
    """It must print its line soon, and plain links use none of these."""
    unneeded = (
        "cryptography",
        "structlog",
        "yaml",
        "grpc_health.v1",
        "grpc_reflection.v1alpha",
        "goplugin_py.client",
        "goplugin_py.launch",
    )
    assert loaded_by("import goplugin_py.serving", unneeded) == set()


def test_a_host_starts_without_what_it_may_not_need() -> None:
    unneeded = (
        "cryptography",
        "structlog",
        "yaml",
        "grpc_health.v1",
        "grpc_reflection.v1alpha",
        "goplugin_py.serving",
    )
    assert loaded_by("import goplugin_py.client", unneeded) == set()


@pytest.mark.parametrize("name", goplugin_py.__all__)
def test_every_public_name_is_there_and_explained(name: str) -> None:
    value = getattr(goplugin_py, name)
    if name != "__version__":
        assert inspect.getdoc(value), f"{name} has no docstring"
        assert value.__module__.startswith("goplugin_py.")


def test_every_public_method_is_explained() -> None:
    for name in goplugin_py.__all__:
        value = getattr(goplugin_py, name)
        if not inspect.isclass(value) or issubclass(value, Exception):
            continue
        for member, attribute in vars(value).items():
            if not member.startswith("_") and callable(attribute):
                assert inspect.getdoc(attribute), f"{name}.{member} has no docstring"


def test_names_are_listed_once_and_dir_knows_them() -> None:
    assert len(set(goplugin_py.__all__)) == len(goplugin_py.__all__)
    assert set(goplugin_py.__all__) <= set(dir(goplugin_py))


ORDERS = [
    "import goplugin_py.serving; from goplugin_py import serve; assert callable(serve)",
    "from goplugin_py import serve; import goplugin_py.serving; assert callable(serve)",
    "from goplugin_py import PluginServer, serve; assert callable(serve)",
    "import goplugin_py; goplugin_py.PluginServer; assert callable(goplugin_py.serve)",
]


@pytest.mark.parametrize("order", ORDERS, ids=range(len(ORDERS)))
def test_the_order_of_imports_does_not_matter(order: str) -> None:
    run_python(order)


def test_the_version_is_the_distributions() -> None:
    from importlib.metadata import version

    assert goplugin_py.__version__ == version("goplugin_py")
    assert sys.version_info >= (3, 11)


LAZY = ("", ".aio", ".registry", ".terraform", ".terraform.aio", ".terraform.serving")


@pytest.mark.parametrize("package", LAZY, ids=lambda name: name or "goplugin_py")
def test_no_name_becomes_a_module_when_that_is_imported_first(package: str) -> None:
    """Python sets a module that it imports as an attribute of its package."""
    module = importlib.import_module(f"goplugin_py{package}")
    files = {each.name for each in pkgutil.iter_modules(module.__path__)}
    public = {"cty", "schema", "tfplugin5", "tfplugin6"}
    assert files & set(module.__all__) <= public


@pytest.mark.parametrize("package", LAZY, ids=lambda name: name or "goplugin_py")
def test_an_unknown_name_is_an_attribute_error(package: str) -> None:
    module = importlib.import_module(f"goplugin_py{package}")
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match=f"'goplugin_py{package}' has no .*'nope'"):
        _ = module.nope
