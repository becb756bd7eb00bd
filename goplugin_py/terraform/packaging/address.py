"""The addresses that Terraform knows providers by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from goplugin_py.errors import ConfigError

__all__ = ["ProviderAddress"]

# terraform-registry-address: ParseProviderPart. It takes letters of all alphabets, but
# a resource type is ASCII in practice, and so is what it begins with.
_PART = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*(:\d+)?")
_REDUNDANT = "terraform-"


@dataclass(frozen=True, slots=True)
class ProviderAddress:
    """Where a provider would come from, and what it is called.

    Attributes:
        host: Of its registry, which need not exist; `example.com` will do.
        namespace: Whose it is.
        type: What its resources' names begin with.
    """

    host: str
    namespace: str
    type: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `HOST/NAMESPACE/TYPE`, in any case.

        The host is not optional: Terraform and OpenTofu have different ones in mind.

        Raises:
            ConfigError: It is no address.
        """
        match text.lower().split("/"):
            case [host, namespace, kind]:
                _check(text, host, namespace, kind)
                return cls(host, namespace, kind)
        raise _refused(text, "it has the form HOST/NAMESPACE/TYPE")

    def __str__(self) -> str:
        return f"{self.host}/{self.namespace}/{self.type}"

    @property
    def executable(self) -> str:
        """What the provider's executable must be called, a version aside."""
        return f"terraform-provider-{self.type}"


def _check(text: str, host: str, namespace: str, kind: str) -> None:
    if not _HOST.fullmatch(host):
        raise _refused(text, f"{host!r} is no host")
    for part in (namespace, kind):
        if not _PART.fullmatch(part):
            rule = "letters, digits and single dashes between them"
            raise _refused(text, f"{part!r} must be of {rule}")
    if kind.startswith(_REDUNDANT):
        short = kind.removeprefix(_REDUNDANT).removeprefix("provider-")
        raise _refused(text, f"the type is without its prefix: {short!r}")


def _refused(text: str, why: str) -> ConfigError:
    example = "an address is like example.com/acme/shelf"
    return ConfigError(f"{text!r} is no address of a provider: {why}; {example}")
