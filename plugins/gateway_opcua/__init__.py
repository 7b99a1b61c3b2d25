"""OPC UA client: reads the variables of a server in large calls, or takes what it publishes.

Sessions and security are asyncua's; readings go from the bytes of the socket into columns, without an object per value.
`README.md` tells an operator what to write, `sample.yaml` is a whole device.
"""
