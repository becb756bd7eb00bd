"""Random messages of the broker, as bytes, with what is to follow them."""

from random import Random

from goplugin_py._pb.broker_pb2 import ConnInfo
from interop.fuzz.handshake import ADDRESSES
from interop.fuzz.mutation import PIECES, mutated
from interop.fuzz.subject import Case

# What something is waited for under, and what shows that all was read.
ID, BARRIER = 5, 0xBA881E8
KNOCK = ConnInfo.Knock(knock=True)
GOOD_OFFER = ConnInfo(service_id=ID, network="unix", address="/judge/nothing")
GOOD_ANSWER = ConnInfo(service_id=ID, knock=ConnInfo.Knock(knock=True, ack=True))
BARRIER_OFFER = ConnInfo(service_id=BARRIER, network="unix", address="/judge/barrier")
BARRIER_KNOCK = ConnInfo(service_id=BARRIER, knock=KNOCK)


def make_offer(random: Random) -> Case:
    """Return one that comes where an address is waited for."""
    network, _, address = random.choice(ADDRESSES).partition(b"|")
    fields = [(2, network), (3, _text(random, address))]
    if random.random() < 0.2:
        fields.append((4, _knock(random, [(1, 1)])))
    return _case(random, fields, GOOD_OFFER)


def make_knock(random: Random) -> Case:
    """Return one that comes where a knock is waited for."""
    fields = [(4, _knock(random, [(1, 1)]))]
    return _case(random, fields, None)


def make_answer(random: Random) -> Case:
    """Return one that comes where the answer to a knock is waited for."""
    fields = [(4, _knock(random, [(1, 1), (2, 1)]))]
    return _case(random, fields, GOOD_ANSWER)


def _text(random: Random, usual: bytes) -> bytes:
    return usual if random.random() < 0.7 else mutated(random, usual)


def _knock(random: Random, fields: list[tuple[int, int | bytes]]) -> bytes:
    others: list[tuple[int, int | bytes]] = [
        (3, _text(random, b"words")),
        (1, 0),
        (2, 1),
    ]
    if random.random() < 0.4:
        fields = [*fields, random.choice(others)]
    if random.random() < 0.2:
        fields = fields[1:]
    return b"".join(_field(*field) for field in fields)


def _case(
    random: Random, fields: list[tuple[int, bytes]], good: ConnInfo | None
) -> Case:
    service_id = random.choice([ID] * 8 + [0, 1, ID + (1 << 32), (1 << 64) - 1])
    parts = [_field(1, service_id), *(_field(*field) for field in fields)]
    if random.random() < 0.3:
        parts = _rearranged(random, parts)
    message = b"".join(parts)
    if random.random() < 0.15:
        message = mutated(random, message)
    return with_message(message, good)


def with_message(message: bytes, good: ConnInfo | None) -> Case:
    """Return the case of a message, and what shows that it was read."""
    barrier = BARRIER_OFFER if good is GOOD_OFFER else BARRIER_KNOCK
    return {
        "id": ID,
        "message": message,
        "good": good.SerializeToString() if good is not None else b"",
        "barrier": barrier.SerializeToString(),
    }


def _rearranged(random: Random, parts: list[bytes]) -> list[bytes]:
    unknown = _field(random.choice([2, 4, 5, 99]), random.choice(PIECES))
    group = b"\x2b\x2c"  # of number 5, empty
    new = random.choice([[], [unknown], [group], parts[:1], [_field(1, ID)]])
    parts = [*parts, *new]
    random.shuffle(parts)
    return parts[random.randint(0, 1) :]


def _field(number: int, value: int | bytes) -> bytes:
    """Encode one field as protobuf does."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    return bytes((number & 0x7F | 0x80,)) + _varint(number >> 7)
