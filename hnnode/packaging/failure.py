"""One way to refuse a package."""

from __future__ import annotations

from hnnode.errors import ConfigError


def invalid(detail: str, zh: str = "") -> ConfigError:
    """PLUGIN_PACKAGE_INVALID with what is wrong; `zh` for what an operator meets with other people's packages."""
    return ConfigError("PLUGIN_PACKAGE_INVALID", detail, zh=zh)
