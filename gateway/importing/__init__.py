"""Importers: another gateway's configuration in, device files and a report of what was lost out.

    foreign file ─▶ one reader per peer ─▶ Found devices ─▶ fitting ─▶ writer ─▶ devices.d/*.yaml
                          └──────────── Report: mapped · changed · lost · secrets ────────────┘

A reader takes each option that it knows; what it has not taken is in the report as lost: nothing vanishes in silence.
docs/migrating.md shows what becomes of what.
"""
