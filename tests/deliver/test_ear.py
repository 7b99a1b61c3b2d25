"""What the ear makes of messages before anybody acts on them: bounds, topics, and what is no request at all."""

from typing import Any

import pytest
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.deliver.ear import Ear, read
from gateway.deliver.topics import Topics
from gateway.sdk.testing import SilentLog

COMMAND, RESULT = "fieldgate/g/command/alarm", "fieldgate/g/command/result"


def test_of_what_is_too_large_only_so_much_is_kept() -> None:
    ear = Ear(Topics("{class}", "g"), lambda _requests, _no_room: None, SilentLog())
    message = MQTTMessage()
    message.payload = b"x" * 10_000_000
    ear.keep(message)
    assert len(message.payload) <= 5000


@pytest.mark.parametrize(("code", "logged"), [(1, []), (0x87, ["commands not subscribed"])])
def test_a_subscription_that_the_broker_refuses_is_logged(code: int, logged: list[str]) -> None:
    log = SilentLog()
    ear = Ear(Topics("fieldgate/{gateway}/{class}/{name}", "g"), lambda _requests, _no_room: None, log)
    ear.subscribed([ReasonCode(PacketTypes.SUBACK, identifier=code)])
    assert [event for _, event, _ in log.lines] == logged
    assert ear.listening is not bool(logged)


@pytest.mark.parametrize(
    ("template", "topic", "result"),
    [
        ("fieldgate/{gateway}/{class}/{name}", COMMAND, RESULT),
        ("x/{gateway}/{class}", "x/g/command", "x/g/command/result"),
    ],
)
def test_the_topics_come_from_the_template(template: str, topic: str, result: str) -> None:
    ear = Ear(Topics(template, "g"), lambda _requests, _no_room: None, SilentLog())
    assert (ear.topic, ear.result) == (topic, result)


@pytest.mark.parametrize("to", [COMMAND, "replies/#", "$SYS/x", ""])
def test_an_answer_never_goes_where_it_must_not(to: str) -> None:
    taken: list[Any] = []
    ear = Ear(
        Topics("fieldgate/{gateway}/{class}/{name}", "g"), lambda requests, _: taken.extend(requests), SilentLog()
    )
    message = MQTTMessage(topic=COMMAND.encode())
    message.payload = b'{"asset": "pump", "action": "ack"}'
    message.properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    message.properties.ResponseTopic = to
    assert ear.keep(message)
    ear.hand_over()
    assert taken[0].answer_to == RESULT


def test_the_network_thread_keeps_a_hundred_and_counts_the_others() -> None:
    taken: list[tuple[int, int]] = []
    ear = Ear(Topics("{class}", "g"), lambda requests, no_room: taken.append((len(requests), no_room)), SilentLog())
    posted = [ear.keep(MQTTMessage(topic=b"command")) for _ in range(130)]
    assert posted == [True] + [False] * 129, "one call to the loop for all"
    ear.hand_over()
    assert taken == [(100, 30)]
    assert ear.keep(MQTTMessage())


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"\xff", b'{"asset": "' + b"x" * 5000 + b'"}'])
def test_what_is_no_table_is_said_to_be_none(body: bytes) -> None:
    content, fault = read(body)
    assert content is None
    assert fault
