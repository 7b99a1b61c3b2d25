"""The three forms of telemetry, from a whole gateway: each topic and payload is as docs/asyncapi.yaml says."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bench.kill import Broker
from bench.rig import free_port
from gateway.deliver.sparkplug.reading import read
from tests.deliver.brokers import mosquitto
from tests.deliver.sparkplug.rig import Host
from tests.e2e.site import GATEWAY, Site, until

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "asyncapi.yaml"
API: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text())
TAGS = {"flow": {"unit": "m³/h", "wave": "noise"}, "pressure": {"unit": "bar", "wave": "noise"}}
PUMP = {"device": "pump-7", "adapter": "sim", "every": "100ms", "tags": TAGS}
LIMIT = {"tag": "pump-7.flow", "above": -1e9, "alarm": {"on_delay": "0s"}}  # always beyond it
ASSETS = {"pump": {"tags": ["pump-7.flow", "pump-7.pressure"], "rules": {"high": LIMIT}}}
Messages = list[tuple[str, bytes, bool]]


def heard(folder: Path, enough: Any, **mqtt: Any) -> Messages:
    """What a gateway with one device and one alarm sent, from its start to its end."""
    process = mosquitto(folder, free_port(), "allow_anonymous true\nmax_queued_messages 100000")
    process.start()
    host = Host(process.ports[0])
    try:
        options = {"url": f"mqtt://127.0.0.1:{process.ports[0]}", "reconnect_max": "1s", **mqtt}
        with Site(folder, [PUMP], None, mqtt=options, assets=ASSETS, telemetry="all") as site:
            site.start()
            until(lambda: enough(list(host.messages)), "it told enough")
            site.stop()
            until(lambda: ended(host.messages), "it said goodbye")
        return list(host.messages)
    finally:
        host.close()
        process.kill()


def ended(messages: Messages) -> bool:
    return any(b'"stopped"' in body or "/NDEATH/" in topic for topic, body, _ in messages)


def channels(topic: str) -> Iterator[str]:
    """Channels of the document whose address fits `topic`."""
    for name, channel in API["channels"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(channel["address"]))
        if re.fullmatch(pattern, topic):
            yield name


def messages_of(channel: str) -> list[Mapping[str, Any]]:
    """The messages of a channel, their references followed."""
    names = [one["$ref"].rpartition("/")[2] for one in API["channels"][channel]["messages"].values()]
    return [API["components"]["messages"][name] for name in names]


def schema_of(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema of its payload; None where it is no JSON."""
    payload = message.get("payload")
    if payload is None:
        return None
    found: dict[str, Any] = payload
    if "$ref" in payload:
        found = json.loads((DOCUMENT.parent / payload["$ref"]).read_text())
    return found


def check(messages: Messages) -> set[str]:
    """Each message has its channel, and keeps to its schema; gives the channels that were used."""
    used = set()
    for topic, body, _ in messages:
        [channel] = channels(topic)
        used.add(channel)
        schemas = [schema for message in messages_of(channel) if (schema := schema_of(message)) is not None]
        if not schemas:
            assert read(body).metrics or "DEATH" in topic
        else:
            assert any(jsonschema.Draft202012Validator(schema).is_valid(json.loads(body)) for schema in schemas), body
    return used


def topics(messages: Messages, part: str) -> int:
    return sum(part in topic for topic, _, _ in messages)


def test_columns_are_as_the_document_says(tmp_path: Path) -> None:
    messages = heard(
        tmp_path,
        lambda seen: topics(seen, "/telemetry/") > 5 and topics(seen, "/alarm/") and topics(seen, "/meta/"),
    )
    assert check(messages) >= {"columnar", "alarm", "status", "metadata"}


def test_flat_messages_are_as_the_document_says(tmp_path: Path) -> None:
    messages = heard(
        tmp_path,
        lambda seen: topics(seen, "/telemetry/") > 10 and topics(seen, "/alarm/") and topics(seen, "/config") > 3,
        payload="flat", homeassistant="homeassistant",
    )  # fmt: skip
    assert check(messages) >= {"flat", "alarm", "status", "discovery"}
    told = {json.loads(body)["state_topic"] for topic, body, _ in messages if topic.startswith("homeassistant/")}
    assert told == {f"fieldgate/{GATEWAY}/telemetry/pump-7/{tag}" for tag in TAGS} | {
        f"fieldgate/{GATEWAY}/alarm/pump", f"fieldgate/{GATEWAY}/alarm/pump-high"
    }  # fmt: skip
    assert told & {topic for topic, _, _ in messages} >= {f"fieldgate/{GATEWAY}/telemetry/pump-7/flow"}


def test_an_edge_node_is_as_the_document_says(tmp_path: Path) -> None:
    messages = heard(
        tmp_path,
        lambda seen: topics(seen, "/DDATA/") > 5 and topics(seen, "/alarm/") and topics(seen, "/sent/"),
        payload="sparkplug", sparkplug={"group": "plant"},
    )  # fmt: skip
    used = check(messages)
    assert used >= {"nodeBirth", "deviceBirth", "deviceData", "nodeDeath", "alarm", "sent"}
    assert not used & {"status", "columnar"}
    assert messages[0][0] == f"spBv1.0/plant/NBIRTH/{GATEWAY}"


def test_every_example_keeps_to_its_schema() -> None:
    for name, message in API["components"]["messages"].items():
        schema = schema_of(message)
        for example in message.get("examples", []):
            assert schema is not None, name
            jsonschema.validate(example["payload"], schema)
        assert message.get("examples") or name in ("sparkplug", "discovery"), name


def test_every_parameter_of_a_topic_is_described() -> None:
    for name, channel in API["channels"].items():
        told = channel.get("parameters", {})
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(told), name
        assert all(list(one) == ["description"] and isinstance(one["description"], str) for one in told.values()), name


def test_every_channel_has_its_operation_and_every_schema_its_message() -> None:
    named = {one["channel"]["$ref"].rpartition("/")[2] for one in API["operations"].values()}
    assert named | {"result"} == set(API["channels"])
    used = {
        str(one.get("payload", {}).get("$ref", "")).rpartition("/")[2] for one in API["components"]["messages"].values()
    }
    there = {path.name for path in (ROOT / "config" / "schema").glob("*-1.json")}
    assert used - {""} <= there


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "schema").glob("*-1.json")), ids=lambda path: path.name)
def test_every_schema_is_one(path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text()))


def test_the_example_shows_what_a_gateway_tells(tmp_path: Path, post: Broker) -> None:
    script = ROOT / "examples" / "subscriber.py"
    assert sum(bool(line) for line in script.read_text().splitlines()) <= 20
    shown = subprocess.Popen(
        [sys.executable, script, "127.0.0.1", str(post.port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with Site(tmp_path, [PUMP], post.port, assets=ASSETS) as site:
            site.start()
            assert shown.stdout is not None
            wanted = {"pump-7.flow", "pump-7.pressure", f"fieldgate/{GATEWAY}/alarm/pump-high"}
            deadline = time.monotonic() + 30
            while wanted and time.monotonic() < deadline:
                wanted.discard(shown.stdout.readline().split(" ")[0])
        assert not wanted
    finally:
        shown.kill()
        shown.communicate()


def test_the_commands_that_the_pages_show_keep_to_their_schemas() -> None:
    """What these pages show is what the gateway takes and says; their own tests prove that."""
    pages = "".join((ROOT / "docs" / page).read_text() for page in ("messages.md", "writing.md", "opcua-events.md"))
    shown = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", pages, re.MULTILINE | re.DOTALL)]
    kinds = {("action", "asset"): "command", ("state", "repeated"): "answer", ("tag", "expires"): "write"}
    kinds |= {("tag", "result"): "written", ("timestamp_ms", "quality"): "flat"}
    kinds |= {("action", "method"): "call", ("action", "condition"): "call"}
    seen = set()
    for fields, kind in kinds.items():
        schema = json.loads((ROOT / "config" / "schema" / f"{kind}-1.json").read_text())
        for one in shown:
            if set(fields) <= set(one) and ("result" in one) == (kind in ("answer", "written")):
                jsonschema.validate(one, schema)
                seen.add(kind)
    assert seen == set(kinds.values())
