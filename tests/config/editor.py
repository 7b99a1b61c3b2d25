"""npm `yaml-language-server`, which YAML extensions of editors run, spoken to over its standard input and output."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tests import npm

NODE = npm.folder("yaml")
PACKAGE = "yaml-language-server@1"
TAGS = ["!secret scalar", "!include scalar", "!csv scalar"]  # as docs/many-from-one.md tells editors
WITHIN = 30.0  # s for an answer

Message = dict[str, Any]


def install() -> str | None:
    """Why the language server is not there, or None."""
    return npm.install(NODE, PACKAGE)


class Editor:
    """An editor as far as the server sees it: it opens files, asks what could stand there, and hears what is wrong."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self._process, self._count = process, 0
        self._heard: SimpleQueue[Message] = SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        self._ask(
            "initialize", processId=None, rootUri=folder.as_uri(), capabilities={"workspace": {"configuration": True}}
        )
        self._say("initialized")
        self._say("workspace/didChangeConfiguration", settings={})  # the server asks for them now

    def open(self, path: Path, text: str) -> list[Message]:
        """Open a file with this text in it; what is wrong with it, each with `message` and `range`."""
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self._say("textDocument/didOpen", textDocument=document)
        while True:
            message = self._heard.get(timeout=WITHIN)
            told = message.get("params", {})
            if message.get("method") == "textDocument/publishDiagnostics" and told["uri"] == path.as_uri():
                found: list[Message] = told["diagnostics"]
                return found

    def completion(self, path: Path, line: int, character: int) -> dict[str, Message]:
        """What could stand at a place, by label; lines and characters count from 0."""
        where = {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": character}}
        return {item["label"]: item for item in self._ask("textDocument/completion", **where)["items"]}

    def _ask(self, method: str, **params: Any) -> Any:
        self._count += 1
        self._send({"id": self._count, "method": method, "params": params})
        while True:
            message = self._heard.get(timeout=WITHIN)
            if message.get("id") == self._count and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def _say(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: Message) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _listen(self) -> None:
        out = self._process.stdout
        assert out
        while head := out.readline():
            length = int(head.partition(b":")[2])
            while out.readline().strip():
                pass
            message = json.loads(out.read(length))
            if "method" in message and "id" in message:
                self._answer(message)
            else:
                self._heard.put(message)

    def _answer(self, message: Message) -> None:
        """Settings, by section; nothing else that it asks for needs more than a yes."""
        asked = message["params"].get("items", ()) if message["method"] == "workspace/configuration" else ()
        settings = {"yaml": {"customTags": TAGS, "completion": True, "validate": True, "hover": True}}
        result = [settings.get(item["section"], {}) for item in asked] or None
        self._send({"id": message["id"], "result": result})


@contextlib.contextmanager
def editor(folder: Path) -> Iterator[Editor]:
    """An editor on `folder`."""
    script = NODE / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    process = subprocess.Popen(["node", script, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield Editor(process, folder)
    finally:
        process.kill()
        process.communicate()
