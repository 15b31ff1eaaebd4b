"""A Python environment that has hnnode and what it needs, and none of the applications that are packages of their own."""

from __future__ import annotations

import sysconfig
import venv
from pathlib import Path

import hnnode_native

import hnnode

OWN = ("hn_", "hnnode", "__editable__")
"""How the names of hnnode, of applications and of their distributions begin."""


def bare_python(folder: Path) -> Path:
    """The interpreter of a new environment in `folder`: links to everything installed here but the applications."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    inside = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    for package in (hnnode, hnnode_native):
        file = Path(str(package.__file__))
        place = file.parent if file.stem == "__init__" else file
        (inside / place.name).symlink_to(place)
    for kind in ("purelib", "platlib"):
        for place in Path(sysconfig.get_path(kind)).iterdir():
            if not (place.name.startswith(OWN) or place.suffix == ".pth" or (inside / place.name).exists()):
                (inside / place.name).symlink_to(place)
    return folder / "bin" / "python"
