"""The device of the example: answers `GET name` with one line. `python tests/sine_device.py 7700` runs it."""

import asyncio
import math
import sys
import time


class SineServer:
    """Knows `sine` and `cosine` (of 10 s), and `one`. Keeps its port over stop and start."""

    def __init__(self, port: int = 0) -> None:
        """Port 0 takes a free one at the first start."""
        self.port = port
        self.mute = False  # takes requests and answers none
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Begin to answer."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse, and drop who is connected."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while line := await reader.readline():
                if not self.mute:
                    writer.write(answer(line.decode().split()))
        except ConnectionError:
            pass
        finally:
            self._open.discard(writer)
            writer.close()


def answer(words: list[str]) -> bytes:
    """One line for one request."""
    angle = 2 * math.pi * time.time() / 10
    known = {"sine": math.sin(angle), "cosine": math.cos(angle), "one": 1.0}
    if len(words) == 2 and words[0] == "GET" and words[1] in known:
        return f"{known[words[1]]:.6f}\n".encode()
    return b"ERR unknown\n"


async def main() -> None:
    """Serve for ever; says where."""
    device = SineServer(int(sys.argv[1]))
    await device.start()
    sys.stdout.write(f"127.0.0.1:{device.port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
