"""Messages of the broker: addresses on offer, knocks, and answers to knocks.

`GRPCBroker` and our exchanges get one random message while they wait for something
under an id, and then the right one.
"""

import ast
import re
import threading
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py.deadline import Deadline
from goplugin_py.errors import BrokerError, BrokerTimeout, KnockRejected
from goplugin_py.net.multiplex import StreamEndpoint
from goplugin_py.services.connection import Bindable, Binding, Connection
from goplugin_py.services.exchange import MAX_ADDRESS, SocketExchange
from goplugin_py.services.multiplex import run
from goplugin_py.services.router import Router
from goplugin_py.wire.address import MAX_PATH, Address
from interop.fuzz.handshake import is_literal
from interop.fuzz.judge import from_base64
from interop.fuzz.messages import (
    BARRIER,
    GOOD_ANSWER,
    GOOD_OFFER,
    ID,
    make_answer,
    make_knock,
    make_offer,
    with_message,
)
from interop.fuzz.subject import Case, Divergence, Subject, Verdict

ENDED = "the stream ends"
NOTHING = "nothing"
OPENS = "a stream is opened"
FAILED = "the dial fails"


# Offers


class Dialled(Exception):
    """In place of a connection, with the address."""


class Wiring:
    """Connects to nothing, but tells where to."""

    def connect(self, address: Address) -> Connection:
        raise Dialled(address)

    def bind(self, server: Bindable) -> Binding:
        raise NotImplementedError


def _our_offer(case: Case) -> Verdict:
    exchange = SocketExchange(Wiring())
    try:
        exchange.receive(ConnInfo.FromString(case["message"]))
        exchange.dial(ID, Deadline(0.0))
    except DecodeError:
        return ENDED
    except BrokerTimeout:
        return NOTHING
    except BrokerError:
        return {"refused": True}
    except Dialled as dialled:
        address: Address = dialled.args[0]
        return {"address": (address.network, address.text), "refused": False}
    raise AssertionError("dialled without an address")


def _go_offer(case: Case, answer: Any) -> Verdict:
    if answer["ended"]:
        return ENDED
    if not answer["address"]:
        return answer["error"]
    network, text = answer["address"]
    if text == GOOD_OFFER.address:
        return NOTHING
    if answer["error"]:
        return {"refused": True}
    return {"address": (network, text), "refused": False}


# Knocks


def _on_loop(call: Callable[[Router], None]) -> None:
    """Make a call with a router that has no session."""
    routers: list[Router] = []
    run(lambda: routers.append(Router()))
    try:
        run(lambda: call(routers[0]))
    finally:
        run(routers[0].close)


def _our_knock(case: Case) -> Verdict:
    try:
        info = ConnInfo.FromString(case["message"])
    except DecodeError:
        return ENDED
    said: list[ConnInfo] = []

    def knocked(router: Router) -> None:
        router.send = said.append
        router.accept(ID, lambda endpoint: None)
        router.receive(info)

    _on_loop(knocked)
    return [_words(each) for each in said]


def _words(info: ConnInfo) -> tuple[int, bool, bool, str]:
    return info.service_id, info.knock.knock, info.knock.ack, info.knock.error


def _go_knock(case: Case, answer: Any) -> Verdict:
    if answer["ended"]:
        return ENDED
    said = [ConnInfo.FromString(from_base64(each)) for each in answer["said"] or ()]
    return [_words(each) for each in said if each.service_id != BARRIER]


def _ask_for_answers(case: Case) -> Case:
    ours = _our_knock(case)
    return {**case, "answers": 0 if ours == ENDED else len(ours)}


# Answers


def _our_answer(case: Case) -> Verdict:
    try:
        infos = [ConnInfo.FromString(case[each]) for each in ("message", "good")]
    except DecodeError:
        return ENDED
    outcomes: list[Exception | None] = []
    answered = threading.Event()

    def done(_endpoint: StreamEndpoint | None, failure: Exception | None) -> None:
        outcomes.append(failure)
        answered.set()

    def dialled(router: Router) -> None:
        router.send = lambda info: None
        router.dial(ID, done)
        for info in infos:
            router.receive(info)

    _on_loop(dialled)
    [failure] = outcomes
    if isinstance(failure, KnockRejected):
        return {"refused": failure.reason}
    # Without a session it can't be, but it was to be opened.
    return OPENS if isinstance(failure, ConnectionAbortedError) else repr(failure)


def _go_answer(case: Case, answer: Any) -> Verdict:
    if answer["ended"]:
        return ENDED
    if answer["opened"]:
        return OPENS
    _, was_refused, reason = answer["error"].partition(f"failed to knock for id {ID}: ")
    if not was_refused:
        return FAILED if "handshake failed" in answer["error"] else answer["error"]
    # grpc-go puts the whole error into quotes, as Go's %q does.
    return {"refused": ast.literal_eval('"' + reason)}


# Where they differ on purpose


def _is_nowhere(case: Case, go: Verdict, ours: Verdict) -> bool:
    if ours != {"refused": True} or not isinstance(go, dict) or go["refused"]:
        return False
    network, text = go["address"]
    if network == "tcp":
        return not text.rpartition(":")[2].strip("0").isdecimal()
    return not text or "\0" in text or len(text.encode()) > MAX_PATH


def _looks_up(case: Case, go: Verdict, ours: Verdict) -> bool:
    if go != {"refused": True} or not isinstance(ours, dict) or ours["refused"]:
        return False
    network, text = ours["address"]
    return network == "tcp" and not is_literal(Address(network, text).host_port[0])


def _example(good: ConnInfo, network: str, address: str) -> Case:
    message = ConnInfo(service_id=ID, network=network, address=address)
    return with_message(message.SerializeToString(), good)


TOO_LONG = re.compile(rb"[\x80-\xff]{9}[\x02-\x7f]")


def _is_too_long(case: Case, go: Verdict, ours: Verdict) -> bool:
    differ = (go == ENDED) != (ours == ENDED)
    return differ and TOO_LONG.search(case["message"]) is not None


def _too_long(good: ConnInfo | None) -> Divergence:
    return Divergence(
        "number of more than 64 bits",
        "Go's protobuf refuses it, Python's cuts it off. No encoder writes it.",
        with_message(b"\x08" + b"\xff" * 9 + b"\x7f", good),
        _is_too_long,
    )


OFFER_DIVERGENCES = (
    _too_long(GOOD_OFFER),
    Divergence(
        "address at which nobody can listen",
        "An empty or too long path, a NUL, port 0 or the name of a service: "
        "Go fails when it connects.",
        _example(GOOD_OFFER, network="tcp", address="127.0.0.1:0"),
        _is_nowhere,
    ),
    Divergence(
        "name of a host that is not known",
        "Go looks it up before it dials, ours when it connects.",
        _example(GOOD_OFFER, network="tcp", address="nowhere.invalid:7"),
        _looks_up,
    ),
    Divergence(
        "endless address",
        "Ours keeps no address that nothing can have.",
        _example(GOOD_OFFER, network="unix", address="/" * MAX_ADDRESS),
        lambda case, go, ours: (
            ours == NOTHING
            and isinstance(go, dict)
            and len("".join(go["address"])) > MAX_ADDRESS
        ),
    ),
)

ANSWER_DIVERGENCES = (
    _too_long(GOOD_ANSWER),
    Divergence(
        "answer without a knock",
        "Go gives the dial up; ours waits on for an answer that is one.",
        _example(GOOD_ANSWER, network="unix", address="/p"),
        lambda case, go, ours: go == FAILED and ours == OPENS,
    ),
)

OFFER = Subject(
    "offer",
    make_offer,
    _our_offer,
    _go_offer,
    mutable="message",
    cost=3,
    divergences=OFFER_DIVERGENCES,
)
KNOCKED = Subject(
    "knock",
    make_knock,
    _our_knock,
    _go_knock,
    mutable="message",
    cost=3,
    divergences=(_too_long(None),),
    request=_ask_for_answers,
)
ANSWERED = Subject(
    "answer",
    make_answer,
    _our_answer,
    _go_answer,
    mutable="message",
    cost=3,
    divergences=ANSWER_DIVERGENCES,
)
SUBJECTS = (OFFER, KNOCKED, ANSWERED)
