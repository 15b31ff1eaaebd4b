"""One scene for each rule, in which it refuses: the function has the name of the rule."""

from realestate_scenes import cases, grants, register
from realestate_scenes.scene import SCENES

__all__ = ["SCENES", "cases", "grants", "register"]
