"""Reference pages rendered from the code: `python -m hnnode.cli.reference docs/reference`. A test compares them with
what is committed.
"""

from __future__ import annotations

from collections.abc import Callable

from hnnode.cli.reference.commands import render_commands
from hnnode.cli.reference.errors import render_errors
from hnnode.cli.reference.findings import render_findings
from hnnode.cli.reference.plugin_api import render_plugin_api
from hnnode.cli.reference.settings import render_settings

PAGES: dict[str, Callable[[], str]] = {
    "cli.md": render_commands,
    "errors.md": render_errors,
    "plugin-findings.md": render_findings,
    "config.md": render_settings,
    "plugin-api.md": render_plugin_api,
}
