"""One way to refuse a package."""

from __future__ import annotations

from hnnode.errors import ConfigError


def invalid(detail: str) -> ConfigError:
    """PLUGIN_PACKAGE_INVALID with what is wrong."""
    return ConfigError("PLUGIN_PACKAGE_INVALID", detail)
