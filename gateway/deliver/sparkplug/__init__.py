"""The gateway as a Sparkplug B edge node: births, data by alias, deaths, rebirth, primary host.

Written from the specification (Eclipse Sparkplug 3.0); `docs/sparkplug.md` says which assertion is tested where.
"""
