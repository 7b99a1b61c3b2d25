"""The documentation is proven: samples load, examples run, links lead somewhere, references are fresh and complete."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import numpy as np
import pytest

from gateway import outlet
from gateway.__main__ import parser
from gateway.cli.children import daemon, listening, write_configuration
from gateway.config.broker import MqttConfig
from gateway.config.jsonschema import device_schema, main_schema
from gateway.config.load import load
from gateway.config.schema import OutboxConfig
from gateway.deliver.event import AlarmEvent, Contribution, GatewayEvent, encode
from gateway.deliver.outbox import Outbox
from gateway.deliver.payloads.columnar import Columnar
from gateway.deliver.publisher import Publisher
from gateway.deliver.voice import Plain
from gateway.ingest.registry import Registry
from gateway.operators.outcome import Result
from gateway.ops.files import RealFiles
from gateway.ops.metrics import HELP, PREFIX
from gateway.sdk import TagTable
from gateway.sdk.config import DeviceConfig
from gateway.sdk.testing import FakeClock, SilentLog
from gateway.stages.alarm import State
from gateway.stages.score import Abstain
from gateway.stages.writing import Reason
from gateway.state.edition import Told

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
PAGES = [*TOP, *sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("plugins/*/README.md"))]
SOURCES = [path for folder in ("gateway", "plugins") for path in sorted((ROOT / folder).rglob("*.py"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONFIGURATION = re.compile(r"# (fieldgate\.yaml|devices\.d/[\w-]+\.yaml)\n|device: ([\w-]+)\n")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, language: str) -> list[str]:
    return [text for found, text in FENCE.findall(path.read_text()) if found == language]


def rows(page: str, first: str) -> list[list[str]]:
    """The rows of the tables in `page` whose first heading is `first`."""
    tables = re.findall(rf"^\| {first} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")[1:-1]] for table in tables for line in table.splitlines()]


def module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


def example(page: str, file: str, folder: Path) -> Path:
    """The example `file` out of a page, written to `folder`."""
    [text] = [text for text in blocks(DOCS / page, "python") if text.startswith(f"# {file}\n")]
    (folder / file).write_text(text)
    return folder / file


generate = module("docs_generate", DOCS / "generate.py")
OPERATIONS = (DOCS / "operations.md").read_text()


# -- samples and examples ----------------------------------------------------------------------------------------------


def samples() -> Iterator[Any]:
    for page in PAGES:
        if any(CONFIGURATION.match(text) for text in blocks(page, "yaml")):
            yield pytest.param(page, id=named(page))


@pytest.mark.parametrize("page", list(samples()))
def test_every_configuration_that_is_shown_loads(page: Path, tmp_path: Path) -> None:
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "fieldgate.yaml").write_text("gateway: {id: line-3}\n")
    for text in blocks(page, "yaml"):
        if head := CONFIGURATION.match(text):
            (tmp_path / (head[1] or f"devices.d/{head[2]}.yaml")).write_text(text)
        for secret in re.findall(r"!secret ([\w-]+)", text):
            (tmp_path / secret).write_text("x")
    tables: dict[str, type[DeviceConfig]] = dict(Registry().models())
    if page.name == "adapters.md":
        tables["probe"] = module("gateway_probe", example("adapters.md", "gateway_probe.py", tmp_path)).ProbeDevice
    found = load(tmp_path / "fieldgate.yaml", tables, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert found.devices
    assert not found.broken


def test_the_adapter_that_is_shown_passes_the_suite_that_is_shown(tmp_path: Path) -> None:
    for file in ("gateway_probe.py", "test_probe.py"):
        example("adapters.md", file, tmp_path)
    options = ["-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "--rootdir", ".", *options, "test_probe.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"\b8 passed", ran.stdout), ran.stdout


def shown(kind: str) -> dict[str, Any]:
    """The JSON example of the section `kind` in docs/messages.md."""
    page = (DOCS / "messages.md").read_text()
    found: dict[str, Any] = json.loads(FENCE.findall(page.split(f"## {kind}\n")[1])[0][1])
    return found


def nanoseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1e6) * 1000


def parts(message: Mapping[str, Any]) -> tuple[str, str, int]:
    return message["gateway"], message["epoch"], message["sequence"]


@pytest.mark.parametrize(("kind", "schema"), [("Alarm", "event-1"), ("Event", "event-1"), ("Telemetry", "telemetry-1")])
def test_every_message_that_is_shown_follows_its_schema(kind: str, schema: str) -> None:
    jsonschema.validate(shown(kind), json.loads((ROOT / f"config/schema/{schema}.json").read_text()))


def test_the_alarm_that_is_shown_is_what_the_gateway_sends() -> None:
    alarm = shown("Alarm")
    event = AlarmEvent(
        **{name: alarm[name] for name in ("asset", "state", "previous", "severity", "score", "threshold", "message")},
        time_ns=nanoseconds(alarm["time"]), since_ns=nanoseconds(alarm["since"]),
        contributions=[Contribution(**entry) for entry in alarm["contributions"]],
        good=alarm["quality"]["good"], total=alarm["quality"]["of"],
        model=alarm["model"]["name"], model_version=alarm["model"]["version"],
    )  # fmt: skip
    assert json.loads(encode(event, *parts(alarm))) == alarm


def test_the_event_that_is_shown_is_what_the_gateway_sends() -> None:
    shown_event = shown("Event")
    event = GatewayEvent(
        shown_event["kind"], shown_event["name"], nanoseconds(shown_event["time"]), shown_event["text"]
    )
    assert json.loads(encode(event, *parts(shown_event))) == shown_event


def test_every_kind_of_event_has_its_row() -> None:
    said = {row[0].strip("`") for row in rows((DOCS / "messages.md").read_text(), "kind")}
    sent = re.findall(r'_announce\([\w".]+, "([^"]+)"', (ROOT / "gateway/app.py").read_text())
    sent += re.findall(r'tell\(device\.name, "([^"]+)"', (ROOT / "gateway/ingest/runner.py").read_text())
    choices = re.findall(
        r'_send\("([^"]+)"(?: if .+ else "([^"]+)")?', (ROOT / "gateway/operators/commands.py").read_text()
    )
    sent += [kind for pair in choices for kind in pair if kind]
    sent += re.findall(r'"(certificate \w+)"', (ROOT / "gateway/ingest/certificates.py").read_text())
    sent += re.findall(r'GatewayEvent\("([^"]+)"', (ROOT / "gateway/operators/flood.py").read_text())
    for file, words in (("writer", ("write",)), ("calls", ("call", "acknowledge"))):
        ends = re.findall(r'Result\.\w+: "([ \w]*)"', (ROOT / f"gateway/operators/{file}.py").read_text())
        sent += [word + end for word in words for end in ends]
    sent += re.findall(
        r'"(device event[ \w]*|device condition)"', (ROOT / "plugins/gateway_opcua/event.py").read_text()
    )
    sent += re.findall(r'_tell\("(configuration [^"]+)"', (ROOT / "gateway/changes.py").read_text())
    sent += re.findall(r'announce\(asset, "([^"]+)"', (ROOT / "gateway/judging.py").read_text())
    sent += re.findall(r'"(alarm stays|sensor \w+)"', (ROOT / "gateway/pipeline.py").read_text())
    drifts = r'"(input drift|input drift over|answered|answer refused)"'
    sent += re.findall(drifts, (ROOT / "gateway/models/tending.py").read_text())
    sent += re.findall(r'_tell\("([^"]+)"', (ROOT / "gateway/models/fallback.py").read_text())
    sent += re.findall(r'_tell[(,][^"]*"([^"]+)"', (ROOT / "gateway/ingest/defence.py").read_text())
    sent += re.findall(r'tell\("\w+", "([^"]+)"', (ROOT / "gateway/ops/selfwatch.py").read_text())
    assert said == set(sent)


def test_every_reason_and_result_of_a_write_has_its_row() -> None:
    page = (DOCS / "writing.md").read_text()
    assert [row[0].strip("`") for row in rows(page, "reason")] == list(Reason)
    said = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows(page, "result")))
    assert set(said) == set(Result)


def test_every_state_of_an_alarm_has_its_row() -> None:
    said = [row[0].strip("`") for row in rows((DOCS / "messages.md").read_text(), "state")]
    assert said == [state.name.lower().replace("_", "-") for state in State]


def telemetry() -> bytes:
    """What the encoder makes of the readings in the example."""
    message = shown("Telemetry")
    tags: dict[str, Any] = {tag.partition(".")[2]: {} for tag in message["tags"]}
    table = TagTable.build([DeviceConfig.model_validate({"device": "pump-7", "adapter": "sim", "tags": tags})])
    value = np.array([np.nan if value is None else value for value in message["values"]])
    n, status = len(value), np.array(message["status"], np.uint32)
    times = np.full(n, message["time"] * 1_000_000, np.int64)
    encoder, (_, epoch, sequence) = Columnar(message["gateway"], table), parts(message)
    received = message["received"] * 1_000_000
    return encoder.encode(0, np.arange(n), value, times, status, {}, epoch, sequence, received)


def test_the_telemetry_that_is_shown_is_what_the_gateway_sends() -> None:
    assert json.loads(telemetry()) == shown("Telemetry")


async def test_the_status_that_is_shown_is_what_the_gateway_sends(tmp_path: Path) -> None:
    status, outbox = shown("Status"), Outbox(RealFiles(), tmp_path, OutboxConfig(), FakeClock())
    outbox.epoch = status["epoch"]
    clock = FakeClock(nanoseconds(status["time"]))
    publisher = Publisher(outbox, MqttConfig(url="mqtt://broker.plant"), status["gateway"], clock, SilentLog())
    runs = status["configuration"]
    edition = outlet.said(Told(runs["number"], runs["digest"], nanoseconds(runs["since"]) / 1e9, runs["differs"]))
    voice = Plain(publisher.topics, status["gateway"], lambda: outbox.epoch, clock.wall_ns, lambda: edition)
    [birth] = voice.birth()
    assert json.loads(birth.body) == status


def test_the_subscriber_that_is_shown_understands_the_gateway(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take = module("docs_subscriber", example("messages.md", "subscriber.py", tmp_path)).take
    topic, message = "fieldgate/line-3/telemetry/pump-7", shown("Telemetry")
    readings = list(zip(message["tags"], message["values"], message["status"], [message["time"]] * 3, strict=True))
    assert take(topic, telemetry()) == readings
    assert take(topic, telemetry()) == [], "it came twice"
    later = {**message, "id": "line-3/18bcfe56800/telemetry/4714", "sequence": 4714}
    assert take(topic, json.dumps(later)) == readings
    assert take("fieldgate/line-3/alarm/exchanger", json.dumps(shown("Alarm"))) == []
    assert take("fieldgate/line-3/status/line-3", json.dumps(shown("Status"))) == []
    said = capsys.readouterr().out
    assert "telemetry: 2 messages are missing" in said
    assert "active-unacknowledged exchanger: io.pressure_drop is 0.8092 bar" in said


# -- references --------------------------------------------------------------------------------------------------------


def test_the_reference_pages_are_fresh() -> None:
    stale = "run: python docs/generate.py"
    assert (DOCS / "configuration.md").read_text() == generate.configuration(), stale
    assert generate.operations(OPERATIONS) == OPERATIONS, stale


def properties(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from properties(inner)


def test_every_option_has_its_row() -> None:
    said = {row[0].strip("`") for row in rows((DOCS / "configuration.md").read_text(), "option")}
    written = {*properties(main_schema()), *properties(device_schema(Registry().models()))}
    assert said == written


def counted() -> set[str]:
    """Every name under which the code counts something for the metrics."""
    text = "\n".join(path.read_text() for path in SOURCES)
    publisher = (ROOT / "gateway/deliver/publisher.py").read_text()
    broker = re.findall(r'self\.counters\["(\w+)"(?: if [\w.]+ else "(\w+)")?\]', publisher)
    return {
        *re.findall(r'"([a-z]\w*_total)"', text),
        *re.findall(r"\b(\w+_total)=0", text),
        *re.findall(r'"([a-z]\w*_standing)":', text),
        *(f"mqtt_{name}_total" for names in broker for name in names if name),
        *(f"rows_abstained_{reason.name.lower()}_total" for reason in Abstain if reason),
        *("alarms_raise_total", "alarms_return_total"),
        *HELP,
    }


def test_every_metric_has_its_row_and_every_row_its_metric() -> None:
    said = {row[0].strip("`").removeprefix(PREFIX) for row in rows(OPERATIONS, "metric")}
    assert said == counted()


def test_a_running_gateway_shows_no_metric_without_its_row(tmp_path: Path) -> None:
    tags = {name: {"wave": "noise"} for name in ("a", "b")}
    root = {"gateway": {"id": "docs"}, "assets": {"bench": {"tags": ["bench.a", "bench.b"], "calibrate": 50}}}
    config = write_configuration(tmp_path, root, [{"device": "bench", "adapter": "sim", "every": "50ms", "tags": tags}])
    gateway = daemon(config, tmp_path, tmp_path / "log")
    try:
        address = listening(gateway, tmp_path)
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10.0) as answer:
            found = set(re.findall(r"^# TYPE (\w+)", answer.read().decode(), re.MULTILINE))
    finally:
        gateway.stop()
    said = {row[0].strip("`") for row in rows(OPERATIONS, "metric")}
    assert {PREFIX + "info", PREFIX + "device_up"} <= found
    assert not {name for name in found if name not in said and f"{name}_total" not in said}


def logged() -> Iterator[str]:
    """Every event that the gateway or an adapter logs, but for debugging."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            if node.func.attr in ("info", "warning", "error", "exception") and "log" in ast.unparse(node.func.value):
                event = node.args[0]
                words = [event.body, event.orelse] if isinstance(event, ast.IfExp) else [event]
                yield from (str(word.value) for word in words if isinstance(word, ast.Constant))


def test_every_line_of_the_log_has_its_row_and_every_row_its_line() -> None:
    assert {row[0].strip("`") for row in rows(OPERATIONS, "event")} == set(logged())


def test_every_verb_is_in_the_readme() -> None:
    [verbs] = [action.choices for action in parser()._actions if isinstance(action.choices, dict)]
    said = {row[0].strip("`").split()[0] for row in rows((ROOT / "README.md").read_text(), "`fieldgate …`")}
    assert said == set(verbs)


def test_the_floors_are_those_that_are_checked() -> None:
    page = (DOCS / "architecture.md").read_text()
    floors = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    assert "```\n" + "\n".join(floors) + "\n```" in page
    assert len(page.splitlines()) <= 200


def test_every_dependency_has_its_line_and_the_notice_names_what_is_installed() -> None:
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    running = {re.split(r"[\[><=]", name)[0] for name in wanted}
    decision, notice = (DOCS / "adr/0008-dependencies.md").read_text(), (ROOT / "NOTICE").read_text()
    every = {*running, *PROJECT["dependency-groups"]["dev"]}
    assert not {name for name in every if not re.search(rf"\b{name}\b", decision)}
    assert not {name for name in running if not re.search(rf"^  {name}\b", notice, re.MULTILINE)}


# -- form --------------------------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [pytest.param(page, id=named(page)) for page in PAGES])
def test_every_link_leads_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([\w-]+))?\)", text):
        if "://" in target:
            continue
        found = page.parent / target if target else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


def test_the_glossary_is_sorted_and_has_each_term_once() -> None:
    terms = re.findall(r"^- \*\*(.+?)\*\*:", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    assert len(terms) > 40
    assert terms == sorted(set(terms))


def test_the_decisions_are_numbered_and_have_their_headings() -> None:
    pages = sorted((DOCS / "adr").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text()
        assert text.startswith(f"# {page.name[:4]} "), page.name
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Objective", "Overview", "Alternatives", "Consequences"], page.name


def test_fragments_of_the_changelog_are_named_as_they_must() -> None:
    names = [path.name for path in (ROOT / "changelog.d").iterdir()]
    assert all(re.fullmatch(r"\d+\.(added|changed|fixed|removed|security)\.md", name) for name in names), names


def test_spelling() -> None:
    program = [sys.executable, "-m", "codespell_lib"]
    paths = ["docs", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "changelog.d"]
    ran = subprocess.run([*program, *paths], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
