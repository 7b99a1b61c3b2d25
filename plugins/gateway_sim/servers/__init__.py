"""Servers that real clients read: OPC UA, Modbus TCP, and the two side by side."""
