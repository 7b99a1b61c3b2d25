"""docs/opcua-security.md says what the gateway says: every finding, its words, and whether it may be accepted."""

from pathlib import Path
from typing import get_args

from asyncua.ua.status_codes import StatusCodes
from cryptography import x509

from gateway.sdk import DisconnectedError
from gateway_opcua import chains
from gateway_opcua.judgement import Finding, Flaw, judge
from gateway_opcua.secured import Acceptable
from gateway_opcua.store import TrustStore
from gateway_opcua.trust import Trust
from tests.plugins.gateway_opcua.issuing import DAY, NOW, URI, authority, crl, make
from tests.plugins.gateway_opcua.test_judgement import EXPECTED
from tests.plugins.gateway_opcua.test_trust import trust

PAGE = Path(__file__).parents[3] / "docs" / "opcua-security.md"


def table() -> dict[str, list[str]]:
    lines = PAGE.read_text().split("| finding | says |")[1].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[: lines.index("")]]
    return {row[0].strip("`"): row[1:] for row in rows}


def findings(tmp_path: Path) -> dict[Flaw, str]:
    """Each flaw with its words, from the code itself."""
    bad = make(expires=-DAY, uri="urn:x", hosts=("x",), bits=1024, usage=False, sha1=True)
    found = [*judge(bad.certificate, EXPECTED, NOW), *judge(make(begins=DAY).certificate, EXPECTED, NOW)]
    root, middle = authority("root"), authority("middle", authority("root"))
    leaf, pretender = make(middle), authority("middle", root, number=6)
    for known, lists in (([root], []), ([middle, root], []), ([middle, root], [crl(middle, leaf)]), ([pretender], [])):
        way = chains.way(leaf.certificate, [one.certificate for one in known], {chains.digest(root.certificate)})
        found += chains.judge_way(way, [x509.load_der_x509_crl(one) for one in lists], EXPECTED, NOW)
    garbage = chains.parse(b"garbage")
    assert isinstance(garbage, Finding)
    words = {one.flaw: str(one) for one in [*found, garbage]}
    return words | _of_trust(tmp_path)


def _of_trust(home: Path) -> dict[Flaw, str]:
    first, second, store = make(), make(name="second"), TrustStore(home)
    refuse = trust(home, first_use="refuse")
    untrusted = _refusal(refuse, first.der)
    store.trust(chains.digest(first.certificate).hex())
    changed = _refusal(refuse, second.der)
    store.reject(chains.digest(first.certificate).hex())
    return {Flaw.UNTRUSTED: untrusted, Flaw.CHANGED: changed, Flaw.BARRED: _refusal(refuse, first.der)}


def _refusal(trusting: Trust, der: bytes) -> str:
    try:
        trusting.check(der, URI, NOW)
    except DisconnectedError as error:
        return str(error)
    return ""


def test_every_finding_has_its_row_and_its_words(tmp_path: Path) -> None:
    said, words = table(), findings(tmp_path)
    assert set(said) == set(Flaw) == set(words)
    assert {flaw: excerpt for flaw, (excerpt, *_) in said.items() if excerpt not in words[Flaw(flaw)]} == {}


def test_the_names_of_the_standard_are_those_of_the_standard() -> None:
    assert all(hasattr(StatusCodes, code.strip("`")) for _, _, code, _ in table().values())


def test_what_may_be_accepted_is_what_the_option_takes() -> None:
    assert {flaw for flaw, (_, accept, *_) in table().items() if accept == "yes"} == set(get_args(Acceptable))
