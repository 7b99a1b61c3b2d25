"""Modbus for Fieldgate: reads and writes coils and registers of any number of units, and looks at devices.

Floors, top down: adapter > poller | doctor | write > outlet | visits | opening > wires | link > scan > decode |
encode | rtu | ascii > frames | owed | plan | standing > config > tag | endpoint > addresses | coding. Not pure are
adapter, poller, outlet, visits, opening and its wires, link, alarm, and of the doctor its line and its examination.
"""
