"""The variables of a plugin's environment, from the host's side and the plugin's."""

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goplugin_py.errors import ConfigError
from goplugin_py.wire.environ import (
    CLIENT_CERT,
    MAX_PORT,
    MIN_PORT,
    MULTIPLEX_GRPC,
    OUTLIVE_HOST,
    PROTOCOL_VERSIONS,
    UNIX_SOCKET_DIR,
    UNIX_SOCKET_GROUP,
    VOCABULARY,
    PluginEnviron,
    child_environ,
    host_variables,
    inherited_environ,
)

COOKIE = ("KV_PLUGIN", "hello")
PEM = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n"

names = st.sampled_from(["PATH", "HOME", COOKIE[0], "PLUGIN_OWN", *sorted(VOCABULARY)])
environs = st.dictionaries(names, st.text(max_size=3))


def test_the_names_are_go_plugins_and_one_of_ours() -> None:
    """go-plugin: Client.Start, constants.go."""
    assert {
        "PLUGIN_MIN_PORT",
        "PLUGIN_MAX_PORT",
        "PLUGIN_PROTOCOL_VERSIONS",
        "PLUGIN_MULTIPLEX_GRPC",
        "PLUGIN_CLIENT_CERT",
        "PLUGIN_UNIX_SOCKET_DIR",
        "PLUGIN_UNIX_SOCKET_GROUP",
    } == VOCABULARY - {"PLUGIN_OUTLIVE_HOST"}


# The host's side


def test_a_plain_host_sets_cookie_ports_and_versions() -> None:
    """go-plugin: Client.Start."""
    assert host_variables(
        cookie=COOKIE, versions={3, 10, 2}, min_port=10000, max_port=25000
    ) == {
        "KV_PLUGIN": "hello",
        "PLUGIN_MIN_PORT": "10000",
        "PLUGIN_MAX_PORT": "25000",
        "PLUGIN_PROTOCOL_VERSIONS": "2,3,10",
    }


def test_a_host_without_versions_sends_an_empty_list() -> None:
    """go-plugin: Client.Start always sets the variable."""
    variables = host_variables(cookie=COOKIE, versions=(), min_port=1, max_port=2)
    assert variables[PROTOCOL_VERSIONS] == ""


def test_what_a_host_asks_for_is_set_and_nothing_else() -> None:
    """go-plugin: Client.Start with AutoMTLS, GRPCBrokerMultiplex, UnixSocketConfig."""
    variables = host_variables(
        cookie=COOKIE,
        versions=[1],
        min_port=0,
        max_port=0,
        client_certificate=PEM,
        multiplex=True,
        socket_dir="/run/plugins",
        socket_group="staff",
        outlive_host=True,
    )
    assert variables[OUTLIVE_HOST] == "true"
    assert PluginEnviron.parse(variables).outlive_host
    assert variables[CLIENT_CERT] == PEM
    assert variables[MULTIPLEX_GRPC] == "true"
    assert variables[UNIX_SOCKET_DIR] == "/run/plugins"
    assert variables[UNIX_SOCKET_GROUP] == "staff"
    assert variables.keys() - {COOKIE[0]} == VOCABULARY


# Who wins


def test_ours_win_over_explicit_ones_and_these_over_inherited_ones() -> None:
    """go-plugin: Client.Start; there, though, inherited beats Cmd.Env."""
    merged = child_environ(
        {"A": "inherited", "B": "inherited", "C": "inherited"},
        {"B": "explicit", "C": "explicit"},
        {"C": "ours"},
    )
    assert merged == {"A": "inherited", "B": "explicit", "C": "ours"}


@pytest.mark.parametrize(
    ("inherit", "inherited"),
    [
        (True, {"A": "1", "B": "2"}),
        (False, {}),
        (["B", "C"], {"B": "2"}),
        (frozenset("A"), {"A": "1"}),
        ((), {}),
    ],
    ids=str,
)
def test_a_plugin_inherits_what_it_may(
    inherit: bool | Collection[str], inherited: dict[str, str]
) -> None:
    assert inherited_environ({"A": "1", "B": "2"}, inherit) == inherited


@pytest.mark.parametrize("is_explicit", [False, True])
def test_a_plugin_that_is_a_host_does_not_hand_on_what_it_was_told(
    is_explicit: bool,
) -> None:
    """go-plugin hands it on, and its host dies of the certificate that comes back."""
    told = host_variables(
        cookie=COOKIE,
        versions=[9],
        min_port=1,
        max_port=2,
        client_certificate=PEM,
        multiplex=True,
        socket_dir="/run/grandparent",
        socket_group="staff",
    )
    ours = host_variables(
        cookie=("OTHER", "cookie"), versions=[1], min_port=3, max_port=4
    )
    environ = {"PATH": "/bin", **told}
    sources = ({}, environ) if is_explicit else (environ, {})
    merged = child_environ(*sources, ours)
    assert merged == {"PATH": "/bin", COOKIE[0]: COOKIE[1], **ours}


@given(inherited=environs, explicit=environs, ours=environs)
def test_every_variable_comes_from_the_strongest_source(
    inherited: dict[str, str], explicit: dict[str, str], ours: dict[str, str]
) -> None:
    merged = child_environ(inherited, explicit, ours)
    theirs = (inherited.keys() | explicit.keys()) - VOCABULARY
    assert merged.keys() == theirs | ours.keys()
    for name, value in merged.items():
        strongest = next(env for env in (ours, explicit, inherited) if name in env)
        assert value == strongest[name]


# The plugin's side


def test_a_plugin_reads_what_a_host_set() -> None:
    """go-plugin: Serve, protocolVersion, serverListener."""
    environ = PluginEnviron.parse(
        host_variables(
            cookie=COOKIE,
            versions=[3, 2],
            min_port=10000,
            max_port=25000,
            client_certificate=PEM,
            multiplex=True,
            socket_dir="/run/plugins",
            socket_group="staff",
        )
    )
    assert environ.versions == (2, 3)
    assert environ.invalid_versions == ()
    assert environ.ports == range(10000, 25001)
    assert environ.client_certificate == PEM
    assert environ.asked_for_multiplex
    assert environ.multiplex
    assert environ.socket_dir == "/run/plugins"
    assert environ.socket_group == "staff"


def test_an_empty_environment_asks_for_nothing() -> None:
    """go-plugin: Serve under a host that predates the variables."""
    environ = PluginEnviron.parse({})
    assert environ == PluginEnviron()
    assert environ.versions == ()
    assert environ.ports == range(0)
    assert not environ.asked_for_multiplex
    assert not environ.multiplex
    assert not environ.client_certificate
    assert not environ.socket_dir
    assert not environ.socket_group


def test_empty_variables_are_no_variables() -> None:
    """go-plugin: Serve compares os.Getenv with the empty string."""
    assert PluginEnviron.parse(dict.fromkeys(VOCABULARY, "")) == PluginEnviron()


def test_versions_that_are_no_numbers_are_set_apart() -> None:
    """go-plugin: protocolVersion reports and skips them."""
    environ = PluginEnviron.parse({PROTOCOL_VERSIONS: "2, 3,x,,+4"})
    assert environ.versions == (2, 4)
    assert environ.invalid_versions == (" 3", "x", "")


@pytest.mark.parametrize("value", ["1", "t", "T", "true", "TRUE", "True"])
def test_a_go_true_turns_multiplexing_on(value: str) -> None:
    """go-plugin: Serve, strconv.ParseBool."""
    environ = PluginEnviron.parse({MULTIPLEX_GRPC: value})
    assert environ.asked_for_multiplex
    assert environ.multiplex


@pytest.mark.parametrize("value", ["0", "false", "yes", "tRUE", " true", "on"])
def test_any_other_value_still_asks_for_the_seventh_field(value: str) -> None:
    """go-plugin: Serve appends it unless the variable is empty."""
    environ = PluginEnviron.parse({MULTIPLEX_GRPC: value})
    assert environ.asked_for_multiplex
    assert not environ.multiplex


@pytest.mark.parametrize(
    ("low", "high", "ports"),
    [
        ("", "", range(0)),
        ("0", "0", range(0)),
        ("0", "", range(0)),
        ("", "80", range(81)),
        ("10000", "10000", range(10000, 10001)),
        ("+1", "0080", range(1, 81)),
        ("1", "65535", range(1, 65536)),
    ],
)
def test_a_tcp_listener_takes_any_port_of_the_range(
    low: str, high: str, ports: range
) -> None:
    """go-plugin: serverListener_tcp; unset is 0, and port 0 is any."""
    assert PluginEnviron.parse({MIN_PORT: low, MAX_PORT: high}).ports == ports


@pytest.mark.parametrize(
    ("low", "high", "why"),
    [
        ("x", "1", "not numbers"),
        ("1", " 2", "not numbers"),
        ("1_0", "20", "not numbers"),
        ("1", "\u0669", "not numbers"),
        ("2", "1", "not a range"),
        ("1", "", "not a range"),
        # Go tries these ports in vain, and others of the range.
        ("-1", "1", "not a range"),
        ("1", "65536", "not a range"),
    ],
)
def test_a_bad_range_of_ports_matters_only_to_a_tcp_listener(
    low: str, high: str, why: str
) -> None:
    """go-plugin: serverListener_tcp, and nobody else, reads the variables."""
    environ = PluginEnviron.parse({MIN_PORT: low, MAX_PORT: high})
    with pytest.raises(ConfigError, match=why) as caught:
        _ = environ.ports
    assert f"{MIN_PORT}={low!r}" in str(caught.value)
    assert f"{MAX_PORT}={high!r}" in str(caught.value)
