"""Where a plugin runs, as `TF_REATTACH_PROVIDERS` tells of one: `ReattachConfig`."""

import json
from random import Random
from typing import Any

from goplugin_py.errors import ConfigError
from goplugin_py.wire.address import MAX_PATH
from goplugin_py.wire.reattach import ReattachConfig
from interop.fuzz.handshake import ADDRESSES, is_literal, place
from interop.fuzz.mutation import mutated
from interop.fuzz.subject import Case, Divergence, Subject, Verdict

REFUSED = "refused"

USUAL: dict[str, object] = {
    "Protocol": "grpc",
    "ProtocolVersion": 5,
    "Pid": 4711,
    "Test": True,
    "Addr": {"Network": "unix", "String": "/tmp/plugin1"},
}
VALUES: list[object] = [None, "", "x", "5", 0, -1, 1.0, 1 << 70, True, [], {}, "\u0661"]


def make(random: Random) -> Case:
    network, _, text = random.choice([ADDRESSES[0], *ADDRESSES]).partition(b"|")
    address = {"Network": network.decode(), "String": text.decode()}
    members = list({**USUAL, "Addr": address}.items())
    if random.random() < 0.4:
        place_ = random.randrange(len(members))
        members[place_] = _changed(random, *members[place_])
    if random.random() < 0.2:
        members.append(random.choice(members))
    if random.random() < 0.2:
        members.pop(random.randrange(len(members)))
    pairs = (f"{json.dumps(key)}:{json.dumps(value)}" for key, value in members)
    text = f"{{{','.join(pairs)}}}".encode()
    return {"text": mutated(random, text) if random.random() < 0.2 else text}


def _changed(random: Random, key: str, value: object) -> tuple[str, object]:
    respelled = random.choice([key.upper(), key.lower(), key + " ", "Other"])
    return random.choice([(respelled, value), (key, random.choice(VALUES))])


def ours(case: Case) -> Verdict:
    try:
        config = ReattachConfig.from_json(case["text"].decode(errors="replace"))
    except ConfigError:
        return REFUSED
    address = config.address
    where: object = address.text
    if address.network == "tcp":
        where = place(*address.host_port)
    return {
        "protocol": config.protocol,
        "version": config.protocol_version,
        "pid": config.pid,
        "test": config.test,
        "address": (address.network, where),
    }


def go(case: Case, answer: Any) -> Verdict:
    if answer["error"]:
        return REFUSED
    where: object = answer["address"]
    if answer["network"] == "tcp":
        host, _, port = answer["address"].rpartition(":")
        where = place(host.strip("[]"), int(port))
    return {
        "protocol": answer["protocol"],
        "version": answer["protocol_version"],
        "pid": answer["pid"],
        "test": answer["test"],
        "address": (answer["network"], where),
    }


def _is_nowhere(case: Case, go: Verdict, ours: Verdict) -> bool:
    if go == REFUSED or ours != REFUSED:
        return False
    network, where = go["address"]
    if network == "unix":
        return not where or "\0" in where or len(where.encode()) > MAX_PATH
    return where[1] == 0 or b":%d" % where[1] not in case["text"]


def _is_nobody(case: Case, go: Verdict, ours: Verdict) -> bool:
    known = go != REFUSED and 0 < go["pid"] < 1 << 31 and go["version"] >= 0
    return go != REFUSED and ours == REFUSED and not known


def _looks_up(case: Case, go: Verdict, ours: Verdict) -> bool:
    if go != REFUSED or ours == REFUSED or ours["address"][0] != "tcp":
        return False
    return not is_literal(ours["address"][1][0])


def _example(**members: object) -> Case:
    return {"text": json.dumps({**USUAL, **members}).encode()}


DIVERGENCES = (
    Divergence(
        "address at which nobody can listen",
        "An empty or too long path, a NUL, port 0 or the name of a service: "
        "Go fails when it connects.",
        _example(Addr={"Network": "unix", "String": ""}),
        _is_nowhere,
    ),
    Divergence(
        "process that can't be",
        "Without a process id, or with one of no process, Go fails when it looks for "
        "it; a version below zero is on no offer.",
        _example(Pid=-1),
        _is_nobody,
    ),
    Divergence(
        "name of a host that is not known",
        "Go looks it up when it reads the text, ours when it connects.",
        _example(Addr={"Network": "tcp", "String": "nowhere.invalid:7"}),
        _looks_up,
    ),
    Divergence(
        "address in two parts",
        "Where a member comes twice, Go puts the two together; ours takes the last.",
        {
            "text": b'{"Pid":1,"Addr":{"Network":"unix"},"Addr":{"String":"/p"}}',
        },
        lambda case, go, ours: (
            go != REFUSED
            and ours == REFUSED
            and case["text"].lower().count(b'"addr"') > 1
        ),
    ),
)

SUBJECT = Subject(
    name="reattach",
    make=make,
    ours=ours,
    go=go,
    mutable="text",
    divergences=DIVERGENCES,
)
