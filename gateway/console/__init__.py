"""The web console and its JSON API (docs/console.md, docs/openapi.yaml): a server on a thread and a loop of its own.

It reads the gateway's columns as the status does, and never changes anything itself: acts are carried out on the
gateway's loop (`running`), each between two records of the audit (`audit`).
"""
