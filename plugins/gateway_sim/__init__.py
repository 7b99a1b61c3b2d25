"""A simulated plant, simulated devices and a simulated broker: for the demo, for tests and for commissioning.

- `sim` adapter: wave forms inside the gateway, with no network at all.
- `python -m gateway_sim VERB`: servers that real clients read. `plant` (pumps water, has faults on demand), `player`
  (a recording, row by row), `farm` (very many cheap Modbus devices), `modbus` (units as a profile says, with faults),
  `broker` (MQTT 5 and 3.1.1 on this machine).

Everything listens on 127.0.0.1 only.
"""
