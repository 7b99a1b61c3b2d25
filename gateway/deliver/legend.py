"""What is said of values beside them, retained: all of it on each connection, and what is new whenever there is news.

Devices say what their values mean slowly, tag by tag, for minutes after a connection. So it is waited until nothing
more comes, though not for ever, and then only what has changed is said.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from gateway.deliver.publisher import Publisher
from gateway.deliver.voice import Frame

_AT_ONCE: Final = 500  # frames in one second, so that nothing else waits long for them
_PATIENCE: Final = 60  # looks for which it is waited until devices have said all

Frames = Callable[[], Iterable[Frame]]


class Legend:
    """Tells the broker.

    Args:
        publisher: by which.
        frames: gives all that is to be said, as of now.
        known: gives how much is known; another number when there is news.
    """

    def __init__(self, publisher: Publisher, frames: Frames, known: Callable[[], int]) -> None:
        self._publisher = publisher
        self._said: dict[str, int] = {}  # digest of the last body, by topic
        self._waiting: deque[Frame] = deque()
        self._connection = -1
        self.go_on(frames, known)

    def go_on(self, frames: Frames, known: Callable[[], int]) -> None:
        """From now on for another configuration; what is retained of what is no more goes, too."""
        self._frames, self._known = frames, known
        self._count, self._seen, self._looks = -1, known(), 0

    def tell(self) -> None:
        """Say what the broker does not know yet; once a second."""
        if not self._publisher.connected:
            return
        connection = self._publisher.counters["connects"]
        if connection != self._connection:
            self._connection, self._said = connection, dict.fromkeys(self._said, 0)
            self._look()
        elif self._is_news():
            self._look()
        if self._waiting:
            self._publisher.speak([self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))])

    def _is_news(self) -> bool:
        known = self._known()
        if known == self._count:
            return False
        settled, self._seen = known == self._seen, known
        self._looks += 1
        return settled or self._count < 0 or self._looks > _PATIENCE

    def _look(self) -> None:
        self._count = self._seen = self._known()
        self._looks = 0
        frames = {frame.topic: frame for frame in self._frames()}
        gone = self._said.keys() - frames.keys()
        fresh = [frame for topic, frame in frames.items() if self._said.get(topic) != hash(frame.body)]
        self._said = {topic: hash(frame.body) for topic, frame in frames.items()}
        self._waiting = deque([*(Frame(topic, b"", qos=0, retain=True) for topic in gone), *fresh])
