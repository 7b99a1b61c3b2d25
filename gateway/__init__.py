"""Fieldgate: machines in, alarms out.

```
 fieldgate.yaml ── config ──▶ app  (wires everything, once)

 device ─▶ adapter ─▶ ingest ─▶ pipeline ───────────────────────────▶ outbox ─▶ publisher ─▶ MQTT
           plugins/   Batch      condition ▶ features ▶ score ▶ alarm    Event    segments     QoS 1
                      ▶ image    └────────── stages/: pure ─────────┘             on disk

 around it: supervisor · health · metrics · cli
```
"""

__version__ = "0.1.0"
