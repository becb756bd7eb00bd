"""Changes to bytes that parsers disagree about."""

from random import Random

WHITE_SPACE = [
    *(b" ", b"\t", b"\r", b"\n", b"\r\n", b"\v", b"\f", b"\x1c", b"\x1f"),
    *(text.encode() for text in "\u0085\u00a0\u1680\u2003\u2028\u202f\u3000"),
]
NOT_SPACE = [text.encode() for text in "\u180e\u200b\ufeff"]
NUMBERS = [
    *(b"0", b"1", b"+1", b"-1", b"01", b"00", b"-0", b"1.0", b"1e0", b"0x1", b"1_0"),
    *(b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808"),
    *(b"9" * 30, b"0" * 400 + b"1", b"4294967296", b"65536"),
    *("\u0661 \uff11 \u00b2 \u0967".encode().split()),
]
BROKEN = [b"\0", b"\x7f", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]
SIGNS = [b"|", b"=", b"+", b"-", b"/", b"_", b",", b":", b'"', b"\\", b"%", b"[", b"{"]
PIECES = [*WHITE_SPACE, *NOT_SPACE, *NUMBERS, *BROKEN, *SIGNS]


def mutated(random: Random, data: bytes) -> bytes:
    """Return the bytes with one change."""
    start = random.randint(0, len(data))
    end = min(len(data), start + random.choice([1, 1, 1, 2, 4, 16]))
    part = data[start:end]
    new = random.choice(
        [
            b"",
            part * 2,
            part.swapcase(),
            random.choice(PIECES) + part,
            random.choice(PIECES),
            random.randbytes(len(part)),
        ]
    )
    return data[:start] + new + data[end:]


def surrounded(random: Random, data: bytes) -> bytes:
    """Return the bytes with something before or after them."""
    piece = random.choice(PIECES)
    return piece + data if random.random() < 0.5 else data + piece


def sometimes(random: Random, probability: float, data: bytes) -> bytes:
    """Return the bytes, with so much probability mutated, and maybe again."""
    while random.random() < probability:
        data = random.choice([mutated, surrounded])(random, data)
    return data
