"""Modbus for Fieldgate: reads and writes coils and registers of any number of units, and looks at devices.

Floors, top down: adapter > poller | doctor | write > link > scan > decode | encode | frames | plan | standing > config
> tag > addresses | coding. Pure are all but adapter, poller, link and what opens it, and of the doctor its line and its
examination.
"""
