"""Puts into the wheel what a computer needs beside the Python code.

Only into a real one: in an editable wheel, which leads to this folder, the files would
stand beside the package that they belong to. docs/decisions/0013.
"""

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHARED = ("systemd", "pam_module", "docs", "packaging/samples")
"""Folders that stand in the wheel under pushmfa/share, by their own names."""


class WheelHook(BuildHookInterface[Any]):
    """Adds units, the module's sources, the documentation and sample configurations."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files that this wheel is to hold; the builder copies them."""
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        for folder in SHARED:
            inside = f"pushmfa/share/{os.path.basename(folder)}"
            for path in sorted((root / folder).rglob("*")):
                # Pictures are for the README, which is no file of the wheel.
                if path.is_file() and path.suffix != ".png":
                    relative = path.relative_to(root / folder).as_posix()
                    build_data["force_include"][str(path)] = f"{inside}/{relative}"
