"""Modbus TCP for Fieldgate: reads coils, discrete inputs, holding and input registers of any number of units.

Floors, top down: adapter > link | scan > decode | frames | plan | standing > config > addresses. All but `adapter` and
`link` are pure.
"""
