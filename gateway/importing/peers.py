"""Whose configurations can be read: a reader by name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.importing import benthos, edgex, kepware, modpoll, neuron, opcpublisher, telegraf, thingsboard
from gateway.importing.asked import Asked
from gateway.importing.foreign import Foreign
from gateway.importing.found import Found, named
from gateway.importing.report import Report

Reader = Callable[[Sequence[Foreign], Asked, Report], list[Found]]
READERS: Final[Mapping[str, Reader]] = {
    "telegraf": telegraf.read,
    "thingsboard": thingsboard.read,
    "neuron": neuron.read,
    "opcpublisher": opcpublisher.read,
    "kepware": kepware.read,
    "modpoll": modpoll.read,
    "benthos": benthos.read,
    "edgex": edgex.read,
}


def read(kind: str, files: Sequence[Foreign], asked: Asked, report: Report) -> list[Found]:
    """The devices in `files` of the peer `kind`, under names of their own.

    Raises:
        ConfigError: a file cannot be read at all; it names the place and the remedy.
    """
    return named(READERS[kind](files, asked, report))
