"""A Modbus device on 127.0.0.1 that answers rightly until it is told to answer garbage, or to die at each request."""

import contextlib
import os
import socket
import struct
import threading

_READ = struct.Struct(">HHHBBHH")


class Wicked:
    """Every register holds 7. `mode` is good, garbage or dying, and may be set at any time."""

    def __init__(self) -> None:
        self.mode = "good"
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, name="wicked", daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), name="wicked client", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while request := client.recv(_READ.size):
                if self.mode == "dying" or len(request) < _READ.size:
                    return
                client.sendall(os.urandom(300) if self.mode == "garbage" else _answer(request))


def _answer(request: bytes) -> bytes:
    transaction, _, _, unit, function, _, count = _READ.unpack(request)
    return struct.pack(f">HHHBBB{count}H", transaction, 0, 3 + 2 * count, unit, function, 2 * count, *[7] * count)
