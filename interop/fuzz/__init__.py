"""Random cases, decided by Go's implementation and by ours: do they agree?

A `Subject` makes cases and decides them as this library does; the Go program `judge`
decides the same cases. Where the two differ on purpose, a `Divergence` tells why, and
has an example that must go on differing.
"""

from interop.fuzz import broker, environment, frames, handshake, reattach, stderr
from interop.fuzz.subject import Subject

SUBJECTS: dict[str, Subject] = {
    subject.name: subject
    for subject in (
        handshake.SUBJECT,
        environment.SUBJECT,
        stderr.SUBJECT,
        *broker.SUBJECTS,
        frames.SUBJECT,
        reattach.SUBJECT,
    )
}
