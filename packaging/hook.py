"""Puts the documentation into a wheel, where it was built before: FIELDGATE_SITE says in which folder.

Without it the wheel has none, so that nobody who builds or installs from a checkout needs what makes the site.
"""  # noqa: INP001 - a script that hatchling calls

import os
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SiteHook(BuildHookInterface[Any]):
    """For hatchling (`tool.hatch.build.targets.wheel.hooks.custom`)."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is written; an editable one has no use for it."""
        site = os.environ.get("FIELDGATE_SITE")
        if site and version == "standard":
            build_data["force_include"][site] = "gateway/manual"
