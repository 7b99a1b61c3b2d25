"""What the browser is sent: whole, small, from nobody else, and in the same words in every language."""

import hashlib
import json
import re
from pathlib import Path

import pytest

import gateway.console
from gateway.config.assets import Severity
from gateway.console.rights import Role
from gateway.models.lifecycle import State as Version
from gateway.ops.health import State as Health
from gateway.stages.score import Abstain
from gateway.stages.states import State

STATIC = Path(gateway.console.__file__).parent / "static"
OWN = sorted(path for path in STATIC.rglob("*") if path.is_file() and "vendor" not in path.parts)
SCRIPTS = [path for path in OWN if path.suffix == ".js"]
LANGUAGES = sorted((STATIC / "i18n").glob("*.json"))
ENGLISH = json.loads((STATIC / "i18n" / "en.json").read_text())


def test_what_others_made_is_what_they_made() -> None:
    vendor = STATIC / "vendor"
    lines = [line.split() for line in (vendor / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    for name, digest in sums.items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest, name
    assert {path.name for path in vendor.iterdir()} == {*sums, "SHA256SUMS"}


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_every_language_says_the_same_things(path: Path) -> None:
    words = json.loads(path.read_text())
    assert words.keys() == ENGLISH.keys()
    for key, text in words.items():
        assert text.strip(), key
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", ENGLISH[key])), key


def test_every_word_is_there_and_none_is_in_vain() -> None:
    scripts = "\n".join(path.read_text() for path in SCRIPTS)
    asked = set(re.findall(r'\bt\(\s*"([^"]+)"', scripts))
    kinds = set(re.findall(r'\bword\(\s*"([^"]+)"', scripts)) | set(re.findall(r"\bt\(\s*`([\w.]+)\.\$\{", scripts))
    assert asked <= ENGLISH.keys(), asked - ENGLISH.keys()
    vain = {key for key in ENGLISH if key not in asked and not any(key.startswith(f"{kind}.") for kind in kinds)}
    assert {key for key in vain if f'"{key}"' not in scripts} == set()


def test_every_state_has_a_word() -> None:
    states: dict[str, list[str]] = {
        "alarm": [state.word for state in State],
        "severity": list(Severity),
        "role": list(Role),
        "health": list(Health),
        "version": list(Version),
        "phase": [one.name.lower() for one in Abstain if one is not Abstain.NONE],
    }
    for kind, names in states.items():
        for name in names:
            assert f"{kind}.{name}" in ENGLISH, f"{kind}.{name}"


@pytest.mark.parametrize("path", OWN, ids=lambda path: str(path.relative_to(STATIC)))
def test_a_file_is_one_idea_and_asks_nobody_else(path: Path) -> None:
    text = path.read_text()
    if path.suffix in (".js", ".css"):
        assert len(text.splitlines()) <= 250
    strange = [url for url in re.findall(r"https?://[^\s\"'`)]+", text) if "www.w3.org" not in url]
    assert strange == []
    assert not re.search(r"<[^>]*\s(style|on\w+)=", text), "the content security policy forbids it"
    assert ".innerHTML" not in text
    assert "eval(" not in text
