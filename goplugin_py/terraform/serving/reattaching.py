"""How a provider is served to hosts that reattach: without a negotiation."""

from __future__ import annotations

import dataclasses

from goplugin_py import ServeConfig, ServeTestConfig

__all__ = ["reattachable"]


def reattachable(
    config: ServeConfig, version: int, test: ServeTestConfig
) -> ServeConfig:
    """Return a configuration with one protocol version, which all hosts get."""
    return dataclasses.replace(
        config,
        plugins=None,
        versioned_plugins={version: config.plugin_sets[version]},
        test=test,
    )
