"""Secrets come by reference, from two places in turn, and never show."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.config.load import Configuration, load
from gateway.config.problems import ConfigErrors
from tests.config.tables import Models, ServerConfig

CANARY = "c4n4ry-hunter2"
SERVER = """
device: press
adapter: server
url: opc.tcp://x
login: {user: me, phrase: !secret press}
keys: {a: !secret mqtt}
tags: {t: {node: i=1}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a configuration that asks for two secrets; they lie in `secrets`."""
    (tmp_path / "fieldgate.yaml").write_text(
        "gateway: {id: a, secrets_dir: secrets}\nmqtt: {url: mqtt://b, user: u, password: !secret mqtt}\n"
    )
    for folder in ("devices.d", "secrets", "credentials"):
        (tmp_path / folder).mkdir()
    (tmp_path / "devices.d/press.yaml").write_text(SERVER)
    (tmp_path / "secrets/mqtt").write_text("from-secrets-dir\n")
    (tmp_path / "secrets/press").write_text("press\n")
    return tmp_path


def read(home: Path, **environ: str) -> Configuration:
    return load(home / "fieldgate.yaml", Models(), environ=environ)


def password(found: Configuration) -> Any:
    assert found.root.mqtt
    assert found.root.mqtt.password
    return found.root.mqtt.password.get_secret_value()


def complaint(home: Path, **environ: str) -> str:
    with pytest.raises(ConfigErrors) as caught:
        read(home, **environ)
    return str(caught.value)


def test_the_secrets_folder_is_read_relative_to_the_file_and_loses_one_newline(home: Path) -> None:
    assert password(read(home)) == "from-secrets-dir"


def test_systemd_credentials_come_first(home: Path) -> None:
    (home / "credentials/mqtt").write_text("from-systemd")
    assert password(read(home, CREDENTIALS_DIRECTORY=str(home / "credentials"))) == "from-systemd"


def test_a_bare_name_of_a_file_is_that_of_a_credential_where_there_is_one(home: Path) -> None:
    main = home / "fieldgate.yaml"
    main.write_text(main.read_text() + "console: {listen: '127.0.0.1:0', cert: cert.pem, key: console.key}\n")
    for name in ("secrets/console.key", "credentials/console.key", "cert.pem"):
        (home / name).write_text("pem")
    with_it = read(home, CREDENTIALS_DIRECTORY=str(home / "credentials")).root.console
    assert (with_it.cert, with_it.key) == (home / "cert.pem", home / "credentials/console.key")
    assert read(home).root.console.key == home / "console.key"
    main.write_text(main.read_text().replace("key: console.key", "key: secrets/console.key"))
    assert read(home, CREDENTIALS_DIRECTORY=str(home / "credentials")).root.console.key == home / "secrets/console.key"


def test_secrets_reach_nested_tables_of_plugins(home: Path) -> None:
    (press,) = read(home).devices
    assert isinstance(press, ServerConfig)
    assert press.login
    assert press.login.phrase.get_secret_value() == "press"
    assert press.keys["a"].get_secret_value() == "from-secrets-dir"


def test_a_missing_secret_names_both_places(home: Path) -> None:
    (home / "secrets/mqtt").unlink()
    said = complaint(home, CREDENTIALS_DIRECTORY=str(home / "credentials"))
    assert f"{home}/credentials/mqtt" in said
    assert f"{home}/secrets/mqtt" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"c4n4ry\xff", "is not UTF-8"), (b"x" * 70_000, "is larger than 64 KiB")],
)
def test_a_secret_that_is_none_is_refused_without_its_content(home: Path, content: bytes, said: str) -> None:
    (home / "secrets/mqtt").write_bytes(content)
    text = complaint(home)
    assert said in text
    assert "c4n4ry" not in text


def test_a_loaded_secret_shows_nowhere(home: Path) -> None:
    for name in ("mqtt", "press"):
        (home / "secrets" / name).write_text(CANARY)
    found = read(home)
    assert CANARY not in repr(found) + str(found.root) + found.root.model_dump_json()


LEAKS = [
    "mqtt: {url: mqtt://b, password: CANARY}",
    "mqtt: {password: CANARY, url: 5}",
    "mqtt:\n  password: CANARY\n  pasword: 5\n  url: [",
    "mqtt:\n  password: 'CANARY\n  url: x",
    'mqtt: {"password": "CANARY", user: [}',
    "mqtt: {url: mqtt://b, password: [CANARY]}",
    "mqtt: {url: mqtt://b, password: {CANARY: CANARY}}",
    "mqtt: {url: 'mqtt://me:CANARY@b'}",
    "mqtt: {url: 'mqtt://me:CAN/CANARY@b', version: 4}",
    "mqtt: {url: mqtt://b, user: !secret mqtt, window: !secret mqtt, version: !secret mqtt, ca: !secret mqtt}",
    "mqtt: !secret mqtt",
    "mqtt: {url: !secret mqtt, keepalive: !secret mqtt, topic: !secret mqtt}",
    "outbox: {budget: !secret mqtt}\ntelemetry: !secret mqtt\nlog: {level: !secret mqtt}",
    "assets: {a: {tags: [!secret mqtt], alarm: {severity: !secret mqtt}}}",
    "assets: !secret mqtt\n!secret mqtt: 5",
    "MQTT_PASSWORD: CANARY\nmqtt: 5",
]


@pytest.mark.parametrize("text", LEAKS)
def test_a_wrong_configuration_never_shows_a_secret(home: Path, text: str) -> None:
    (home / "secrets/mqtt").write_text(CANARY)
    (home / "fieldgate.yaml").write_text(
        "gateway: {id: a, secrets_dir: secrets}\n" + text.replace("CANARY", CANARY) + "\n"
    )
    with pytest.raises(ConfigErrors) as caught:
        read(home)
    errors = caught.value
    assert errors.__cause__ is None
    assert errors.__context__ is None
    assert CANARY not in errors.render() + repr(errors) + orjson.dumps(errors.as_json()).decode()


DEVICE_LEAKS = [
    SERVER.replace("!secret press", CANARY),
    SERVER.replace("!secret press}", CANARY + ", domain: x}"),
    SERVER.replace("{a: !secret mqtt}", "\n  a: " + CANARY + "\n  b: [" + CANARY + "]"),
    SERVER.replace("url: opc.tcp://x", "connect: opc.tcp://me:" + CANARY + "@x"),
    SERVER.replace("adapter: server", "adapter: pump\nconnect: x://me:" + CANARY + "@x"),
    SERVER.replace("!secret press}", CANARY + "}\nlogin: {}"),
]


@pytest.mark.parametrize("text", DEVICE_LEAKS)
def test_a_wrong_device_never_shows_a_secret(home: Path, text: str) -> None:
    (home / "devices.d/press.yaml").write_text(text)
    assert CANARY not in complaint(home)
