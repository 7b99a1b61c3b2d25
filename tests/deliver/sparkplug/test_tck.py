"""The testable assertions of Sparkplug 3.0 for edge nodes, each by its tck-id, read in what a node really sent.

The node is a whole one, from batches to mosquitto; a tap on its connection tells each packet. What concerns hosts,
brokers, templates and data sets is told apart in docs/sparkplug.md, and the table there is held against this one.
"""

import re
from pathlib import Path

import pytest

from tests.deliver.sparkplug import transcript
from tests.deliver.sparkplug.life import Waiting
from tests.deliver.sparkplug.tap import Packet
from tests.deliver.sparkplug.tck import device_messages, names, node_messages, payloads, primary_host, session

CHECKS = (names, node_messages, device_messages, session, primary_host, payloads)  # each enters its own in the tables
DOCS = Path(__file__).parents[3] / "docs" / "sparkplug.md"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("tck", sorted(transcript.LIFE))
def test_life(lives: dict[str, list[Packet]], tck: str, version: str) -> None:
    transcript.LIFE[tck](lives[version])


@pytest.mark.parametrize("tck", sorted(transcript.MQTT_5))
def test_mqtt_5(lives: dict[str, list[Packet]], tck: str) -> None:
    transcript.MQTT_5[tck](lives["5"])


@pytest.mark.parametrize("tck", sorted(transcript.MQTT_3))
def test_mqtt_3(lives: dict[str, list[Packet]], tck: str) -> None:
    transcript.MQTT_3[tck](lives["3.1.1"])


@pytest.mark.parametrize("tck", sorted(transcript.PRIMARY))
def test_primary_host(waiting: Waiting, tck: str) -> None:
    transcript.PRIMARY[tck](waiting)


@pytest.mark.parametrize("tck", sorted(transcript.NAMES))
def test_names(tck: str) -> None:
    transcript.NAMES[tck]()


def test_every_file_of_checks_has_entered_its_own() -> None:
    tables = (transcript.LIFE, transcript.MQTT_5, transcript.MQTT_3, transcript.PRIMARY, transcript.NAMES)
    homes = {check.__module__ for table in tables for check in table.values()}
    assert homes == {file.__name__ for file in CHECKS}


def test_the_table_in_the_docs_names_every_check_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-zA-Z0-9-]+)` \| (\w+)", DOCS.read_text(), re.MULTILINE)
    told = {tck for tck, where in rows if where == "tested"}
    tables = (transcript.LIFE, transcript.MQTT_5, transcript.MQTT_3, transcript.PRIMARY, transcript.NAMES)
    assert told == {tck for table in tables for tck in table}
    assert len(rows) == len({tck for tck, _ in rows}), "an assertion stands twice"
