"""Certificates as an administrator would hand them out, for TLS by hand."""

import contextlib
import ssl
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from goplugin_py.wire.certificates import generate


@contextlib.contextmanager
def certificate() -> Iterator[Path]:
    """Give a PEM file with a certificate for `localhost` and its key."""
    identity = generate(datetime.now(UTC))
    with tempfile.TemporaryDirectory(prefix="pem-", dir="/tmp") as directory:
        path = Path(directory, "plugin.pem")
        path.write_text(identity.certificate_pem + identity.key_pem)
        yield path


def trusting(pem: Path) -> ssl.SSLContext:
    """Make a client's context that trusts this certificate alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pem)
    context.set_alpn_protocols(["h2"])
    return context
