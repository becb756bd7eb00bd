"""The identities of resources, which are some of their attributes."""

from __future__ import annotations

from goplugin_py.terraform.cty import Value, is_wholly_known
from goplugin_py.terraform.serving.catalogue import Kind

__all__ = ["identity_of"]


def identity_of(kind: Kind, value: Value) -> Value:
    """Return the identity of a resource; None if it has none, or not yet."""
    if kind.identity is None or value is None:
        return None
    identity = {name: value[name] for name in kind.identity.attributes}
    is_complete = None not in identity.values() and is_wholly_known(identity)
    return identity if is_complete else None
