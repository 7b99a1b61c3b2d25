"""The order of a walk through an address space: that of its tree, though many nodes are asked at once. Pure.

What comes next lies on a stack. The first nodes on it that have not been asked are asked together; a node is told once
all before it have been told and it has been asked itself. Every node is asked once, so cycles end.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_AHEAD: Final = 8  # times as many nodes are looked through for some to ask as are asked at once


@dataclass(slots=True)
class Node:
    """One node met on the walk.

    Attributes:
        id: binary node id.
        names: browse names from the start down.
        spaces: index of the namespace of each name.
        kind: NodeClass.
        again: it was met before; what it has is told there.
        children: nodes below; None until it was asked.
        refused: StatusCode with which the server would not say what is below; 0 when it did.
        cut: there is more below than is told.
        properties: node ids of its properties, by name.
        reads: what was read of it, by name.
    """

    id: bytes
    names: tuple[str, ...]
    spaces: tuple[int, ...]
    kind: int
    again: bool = False
    children: "list[Node] | None" = None
    refused: int = 0
    cut: bool = False
    properties: dict[str, bytes] = field(default_factory=dict)
    reads: dict[str, Any] = field(default_factory=dict)


Ask = Callable[[Sequence[Node], int], Awaitable[None]]
"""Set what the nodes have: children, at most as many as the number says altogether, properties and reads."""


class Walk:
    """One walk."""

    def __init__(self, ask: Ask, *, depth: int, nodes: int, step: int) -> None:
        """Go `depth` levels down, tell `nodes` at most, ask `step` at once."""
        self._ask, self._depth, self._room, self._step = ask, depth, nodes, step
        self._seen: set[bytes] = set()

    async def run(self, root: Node) -> AsyncIterator[list[Node]]:
        """Everything from `root` down, part by part."""
        waiting = [root]
        self._seen.add(root.id)
        self._room -= 1
        while waiting:
            window = self._take(waiting)
            await self._look(window)
            yield _told(window, waiting)

    def _take(self, waiting: list[Node]) -> list[Node]:
        """The next nodes from the stack: as many as can be asked at once, with those between them."""
        window: list[Node] = []
        new = 0
        while waiting and new < self._step and len(window) < _AHEAD * self._step:
            node = waiting.pop()
            window.append(node)
            new += node.children is None and not node.again
        return window

    async def _look(self, window: list[Node]) -> None:
        new = [node for node in window if node.children is None and not node.again]
        if new:
            await self._ask(new, self._room)
        for node in new:
            node.children = self._first_met(node, node.children or [])

    def _first_met(self, node: Node, below: list[Node]) -> list[Node]:
        """What of `below` is told, as deep and as long as we go."""
        if len(node.names) > self._depth:
            node.cut |= bool(below)
            return []
        node.cut |= len(below) > self._room
        below = below[: max(self._room, 0)]
        self._room -= len(below)
        for child in below:
            child.again = child.id in self._seen
            self._seen.add(child.id)
        return below


def _told(window: list[Node], waiting: list[Node]) -> list[Node]:
    """What of the window is in its turn now; the rest goes back on the stack."""
    stack, told = window[::-1], []
    while stack and (stack[-1].again or stack[-1].children is not None):
        node = stack.pop()
        told.append(node)
        stack.extend(reversed(node.children or ()))
        node.children = []
    waiting.extend(stack)
    return told
