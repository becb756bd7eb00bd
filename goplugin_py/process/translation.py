"""Translations by a user's code, made safe for those who need addresses."""

from __future__ import annotations

from collections.abc import Callable

from goplugin_py.process.calls import BoundedCalls, words
from goplugin_py.process.runner import AddressTranslator
from goplugin_py.wire.address import Address

# A runner may have to ask somebody, such as a container engine, but not for long.
TRANSLATION_TIMEOUT = 5.0


class GuardedTranslator:
    """Takes as long as it may, and fails with one kind of error."""

    def __init__(self, translator: AddressTranslator, calls: BoundedCalls) -> None:
        self._translator = translator
        self._calls = calls

    def plugin_to_host(self, address: Address) -> Address:
        """See `AddressTranslator.plugin_to_host`.

        Raises:
            ValueError: There is no such address here, for whatever reason.
        """
        return self._translate(self._translator.plugin_to_host, address)

    def host_to_plugin(self, address: Address) -> Address:
        """See `AddressTranslator.host_to_plugin`, and `plugin_to_host` above."""
        return self._translate(self._translator.host_to_plugin, address)

    def _translate(
        self, translate: Callable[[Address], Address], address: Address
    ) -> Address:
        try:
            found = self._calls.make(lambda: translate(address), TRANSLATION_TIMEOUT)
        except Exception as exc:
            raise ValueError(
                f"the runner can't translate {address} ({words(exc)})"
            ) from exc
        if not isinstance(found, Address):
            raise ValueError(
                f"the runner translated {address} to {found!r:.80}, which is no Address"
            )
        return found
