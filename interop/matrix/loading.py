"""Reads `matrix.yaml`, and says what is wrong with it: where, and what is allowed."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import yaml

from interop.fixtures import FIXTURES, ROOT
from interop.matrix.model import AXES, Direction, Impossible, Matrix, Peer
from interop.matrix.modules import go_plugin, pinned
from interop.matrix.place import Loader, MatrixError, Place, listed

FILE = ROOT / "interop" / "matrix.yaml"

_REQUIRED = {"title", "direction", "module", "version", "fixtures", "tier"}
_OPTIONAL = {
    *("cookie", "versions", "driver", "behaviours", "shows", "tests"),
    *("impossible", "optional"),
}


def load(path: Path = FILE) -> Matrix:
    """Read and check the file.

    Raises:
        MatrixError: It is wrong, or does not agree with the fixtures.
    """
    try:
        return _matrix(Place("", yaml.load(path.read_text(), Loader)))
    except yaml.YAMLError as exc:
        raise MatrixError(f"{path.name}: no YAML: {exc}") from exc
    except MatrixError as exc:
        raise MatrixError(f"{path.name}: {exc}") from exc


def _matrix(top: Place) -> Matrix:
    top.mapping({"axes", "behaviours", "peers", "not_peers"}, ())
    axes = _axes(top["axes"])
    behaviours = _sentences(top["behaviours"])
    peers = top["peers"]
    matrix = Matrix(
        axes,
        behaviours,
        tuple(_peer(peers[name], name, axes, behaviours) for name in peers.mapping()),
        _sentences(top["not_peers"]),
    )
    for peer in matrix.peers:
        _check_impossible(peers[peer.name], peer, matrix)
    return matrix


def _axes(place: Place) -> dict[str, dict[str, str]]:
    place.mapping({"direction", *AXES}, ())
    return {axis: _sentences(place[axis]) for axis in ("direction", *AXES)}


def _sentences(place: Place) -> dict[str, str]:
    return {key: place[key].sentence() for key in place.mapping()}


def _peer(
    place: Place,
    name: str,
    axes: Mapping[str, Mapping[str, str]],
    behaviours: Mapping[str, str],
) -> Peer:
    place.mapping(_REQUIRED, _OPTIONAL)
    fixtures = tuple(item.one_of(FIXTURES) for item in place["fixtures"].items())
    peer = Peer(
        name=name,
        title=place["title"].text(),
        direction=cast(Direction, place["direction"].one_of(axes["direction"])),
        module=place["module"].text(),
        version=place["version"].text(),
        go_plugin=go_plugin(fixtures[0]),
        fixtures=fixtures,
        tier=place["tier"].one_of({"quick", "full"}),
        cookie=_cookie(place.get("cookie", None)),
        versions=_versions(place.get("versions", None)),
        driver=place["driver"].text() if "driver" in place.value else None,
        behaviours=_behaviours(place, behaviours),
        shows=_shows(place.get("shows", {}), behaviours),
        tests=_tests(place),
        impossible=_impossible(place, axes, behaviours),
        optional=place["optional"].sentence() if "optional" in place.value else "",
    )
    _check_fixtures(place, peer)
    return peer


def _cookie(place: Place) -> tuple[str, str] | None:
    if place.value is None:
        return None
    key, equals, value = place.text().partition("=")
    if not (key and equals and value):
        raise place.fail(f"{place.value!r} is no cookie; allowed: KEY=VALUE")
    return key, value


def _versions(place: Place) -> tuple[int, ...]:
    if place.value is None:
        return ()
    for item in place.items():
        if type(item.value) is not int or item.value < 0:
            raise item.fail(f"{item.value!r} is no version; allowed: 0, 1, 2...")
    return tuple(place.value)


def _behaviours(place: Place, known: Mapping[str, str]) -> tuple[str, ...]:
    if ("driver" in place.value) != ("behaviours" in place.value):
        raise place.fail("driver and behaviours go together: one of them is missing")
    if "behaviours" not in place.value:
        return ()
    return tuple(item.one_of(known) for item in place["behaviours"].items())


def _shows(
    place: Place, known: Mapping[str, str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(
        (key, tuple(item.text() for item in place[key].items()))
        for key in place.mapping((), known)
    )


def _tests(place: Place) -> tuple[str, ...]:
    if "tests" not in place.value:
        return ()
    return tuple(item.text() for item in place["tests"].items())


def _impossible(
    place: Place,
    axes: Mapping[str, Mapping[str, str]],
    behaviours: Mapping[str, str],
) -> tuple[Impossible, ...]:
    if "impossible" not in place.value:
        return ()
    return tuple(
        _impossible_item(item, axes, behaviours) for item in place["impossible"].items()
    )


def _impossible_item(
    item: Place,
    axes: Mapping[str, Mapping[str, str]],
    behaviours: Mapping[str, str],
) -> Impossible:
    item.mapping({"reason"}, {*AXES, "behaviour"})
    where = tuple(
        (axis, item[axis].one_of(axes[axis])) for axis in AXES if axis in item.value
    )
    behaviour = None
    if "behaviour" in item.value:
        behaviour = item["behaviour"].one_of(behaviours)
    if not where:
        raise item.fail(f"name a value of at least one of {listed(AXES)}")
    return Impossible(where, item["reason"].sentence(), behaviour)


# What must agree


def _check_fixtures(place: Place, peer: Peer) -> None:
    for name in peer.fixtures:
        tier = FIXTURES[name].tier
        if tier != peer.tier:
            raise place["tier"].fail(f"{peer.tier!r}, but {name} has the tier {tier!r}")
        found = pinned(name).get(peer.module)
        if found != peer.version:
            module = f"go-fixtures/{FIXTURES[name].module}/go.mod"
            is_there = f"has {found}" if found else "does not require it"
            raise place["version"].fail(
                f"{peer.module} is {peer.version} here, but {module} {is_there}"
            )


def _check_impossible(place: Place, peer: Peer, matrix: Matrix) -> None:
    """Require that each entry keeps something out, and that something is left."""
    runs = matrix.cases(peer)
    if peer.driver and not runs:
        raise place.fail("all combinations are impossible")
    for number, entry in enumerate(peer.impossible):
        others = peer.impossible[:number] + peer.impossible[number + 1 :]
        without = replace(peer, impossible=others)
        if len(matrix.cases(without)) == len(runs):
            problem = f"keeps nothing out that the others do not: {entry.reason!r}"
            raise place.fail(f"impossible[{number}] {problem}")


def unlisted(matrix: Matrix) -> set[str]:
    """Return fixtures without a place in the file, and places without a fixture."""
    known = {name for name, fixture in FIXTURES.items() if fixture.tier != "tool"}
    of_peers = {name for peer in matrix.peers for name in peer.fixtures}
    return known ^ (of_peers | matrix.not_peers.keys())
