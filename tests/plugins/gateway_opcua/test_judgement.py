"""What is found on a certificate, by table; and that nothing that a server sends takes long or fails otherwise."""

import datetime as dt
import random
import time
from typing import Any

import pytest
from cryptography import x509

from gateway_opcua import chains
from gateway_opcua.judgement import LARGEST, Expected, Finding, Flaw, judge, read
from tests.plugins.gateway_opcua.issuing import DAY, HOST, NOW, URI, Made, authority, crl, make

EXPECTED = Expected(HOST, URI)

TABLE: list[tuple[dict[str, Any], set[Flaw], str]] = [
    ({}, set(), ""),
    ({"hosts": ("LINE-3", HOST)}, set(), ""),
    ({"expires": -dt.timedelta(minutes=1)}, {Flaw.EXPIRED}, "has expired on"),
    ({"begins": dt.timedelta(minutes=1)}, {Flaw.NOT_YET_VALID}, "set this gateway's clock"),
    ({"uri": "urn:other"}, {Flaw.URI}, f"application urn:other, and the server calls itself {URI}"),
    ({"uri": None}, {Flaw.URI}, "application (none)"),
    (
        {"hosts": ("line-3", "10.0.4.30")},
        {Flaw.HOST},
        "host line-3 or 10.0.4.30, and the server is dialled as 127.0.0.1",
    ),
    ({"hosts": ()}, {Flaw.HOST}, "host (none)"),
    ({"bits": 1024}, {Flaw.WEAK_KEY}, "1024 bits; the policy wants 2048 to 4096"),
    ({"curve": True}, {Flaw.WEAK_KEY}, "no RSA key"),
    ({"sha1": True}, {Flaw.SHA1}, "signed with SHA1"),
    ({"usage": False}, {Flaw.USAGE}, "lacks digitalSignature, keyEncipherment"),
    ({"extended": (x509.ObjectIdentifier("1.3.6.1.5.5.7.3.2"),)}, {Flaw.USAGE}, "lacks serverAuth"),
    ({"extended": (x509.ObjectIdentifier("2.5.29.37.0"),)}, set(), ""),
    ({"uri": "urn:x", "hosts": ("x",), "bits": 1024}, {Flaw.URI, Flaw.HOST, Flaw.WEAK_KEY}, ""),
]


@pytest.mark.parametrize(
    ("wish", "flaws", "words"), TABLE, ids=lambda case: str(sorted(case) if isinstance(case, set) else case)[:40]
)
def test_what_speaks_against_a_certificate(wish: dict[str, Any], flaws: set[Flaw], words: str) -> None:
    findings = judge(make(**wish).certificate, EXPECTED, NOW)
    assert {one.flaw for one in findings} == flaws
    assert words in "; ".join(map(str, findings))
    assert all(one.text and one.remedy for one in findings)


def test_the_names_are_compared_without_case_and_an_unknown_uri_is_not_compared() -> None:
    certificate = make(hosts=("Line-3.plant",)).certificate
    assert judge(certificate, Expected("line-3.PLANT", ""), NOW) == []


def test_old_policies_allow_what_they_are_made_for() -> None:
    certificate = make(bits=1024, sha1=True).certificate
    assert judge(certificate, Expected(HOST, URI, (1024, 2048), sha1=True), NOW) == []


# --- who vouches for it ---

ROOT, OTHER = authority("root"), authority("root of others")
MIDDLE = authority("middle", ROOT)
LEAF = make(MIDDLE)


def vouched(known: list[Made], trusted: list[Made], lists: list[bytes], leaf: Made = LEAF) -> set[Flaw]:
    certificates = [one.certificate for one in known]
    found = chains.way(leaf.certificate, certificates, {chains.digest(one.certificate) for one in trusted})
    crls = [x509.load_der_x509_crl(one) for one in lists]
    return {one.flaw for one in chains.judge_way(found, crls, EXPECTED, NOW)}


BOTH = [crl(ROOT), crl(MIDDLE)]
CHAINS: dict[str, tuple[list[Made], list[Made], list[bytes], set[Flaw]]] = {
    "whole": ([MIDDLE, ROOT], [ROOT], BOTH, set()),
    "in any order, among others": ([OTHER, ROOT, MIDDLE], [ROOT], BOTH, set()),
    "the middle one is trusted": ([MIDDLE], [MIDDLE], [crl(MIDDLE)], set()),
    "without the middle one's list": ([MIDDLE, ROOT], [ROOT], [crl(ROOT)], {Flaw.NO_CRL}),
    "without any list": ([MIDDLE, ROOT], [ROOT], [], {Flaw.NO_CRL}),
    "with a list that is out of date": ([MIDDLE, ROOT], [ROOT], [crl(ROOT), crl(MIDDLE, expires=-DAY)], {Flaw.NO_CRL}),
    "with a list that another has signed": (
        [MIDDLE, ROOT], [ROOT], [crl(ROOT), crl(Made(MIDDLE.certificate, OTHER.key))], {Flaw.NO_CRL},
    ),
    "revoked": ([MIDDLE, ROOT], [ROOT], [crl(ROOT), crl(MIDDLE, LEAF)], {Flaw.REVOKED}),
    "revoked by a list that is out of date": (
        [MIDDLE, ROOT], [ROOT], [crl(ROOT), crl(MIDDLE, LEAF, expires=-DAY)], {Flaw.REVOKED},
    ),
    "the middle one is revoked": ([MIDDLE, ROOT], [ROOT], [crl(ROOT, MIDDLE), crl(MIDDLE)], {Flaw.REVOKED}),
    "the middle one is missing": ([ROOT], [ROOT], BOTH, {Flaw.INCOMPLETE}),
    "the root is not trusted": ([MIDDLE, ROOT], [OTHER], BOTH, {Flaw.UNTRUSTED}),
    "the root is not there": ([MIDDLE], [OTHER], BOTH, {Flaw.INCOMPLETE}),
}  # fmt: skip


@pytest.mark.parametrize("case", CHAINS.values(), ids=CHAINS)
def test_a_chain_of_three(case: tuple[list[Made], list[Made], list[bytes], set[Flaw]]) -> None:
    known, trusted, lists, flaws = case
    assert vouched(known, trusted, lists) == flaws


def test_an_issuer_that_is_out_of_date_or_weak_is_found() -> None:
    old = authority("old", ROOT, expires=-DAY)
    assert vouched([old, ROOT], [ROOT], [crl(ROOT), crl(old)], make(old)) == {Flaw.EXPIRED}
    weak = authority("weak", ROOT, bits=1024)
    assert vouched([weak, ROOT], [ROOT], [crl(ROOT), crl(weak)], make(weak)) == {Flaw.WEAK_KEY}


def test_an_issuer_of_the_right_name_that_did_not_sign_is_told() -> None:
    pretender = authority("middle", ROOT, number=6)
    assert vouched([pretender, ROOT], [ROOT], BOTH) == {Flaw.FORGED}


def test_what_is_no_ca_vouches_for_nobody() -> None:
    server = make(ROOT, name="middle")
    assert vouched([server, ROOT], [ROOT], BOTH, make(server)) == {Flaw.INCOMPLETE}


def test_a_ring_of_issuers_ends() -> None:
    """Two CAs that have signed each other, as cross-signing makes them."""
    one, other = authority("one"), authority("other")
    ring = [authority("one", other), authority("other", one)]
    started = time.perf_counter()
    assert vouched(ring * 50, [ROOT], [], make(ring[0])) & {Flaw.INCOMPLETE, Flaw.UNTRUSTED}
    assert time.perf_counter() - started < 1.0


# --- hostile ---


def test_a_chain_is_taken_apart_as_it_was_put_together() -> None:
    ders = [LEAF.der, MIDDLE.der, ROOT.der]
    assert chains.split(b"".join(ders)) == ders
    assert chains.split(b"") == []
    parsed = chains.parse(b"".join(ders))
    assert parsed == (LEAF.certificate, [MIDDLE.certificate, ROOT.certificate])


def test_a_certificate_of_a_megabyte_is_refused_unread() -> None:
    finding = chains.parse(b"\x30\x83\x0f\xff\xfc" + bytes(2**20))
    assert isinstance(finding, Finding)
    assert finding.flaw is Flaw.MALFORMED
    assert str(LARGEST) in finding.text


def test_garbage_is_told_in_bounded_time() -> None:
    """Anything at all, and a good certificate with bytes changed: read, or malformed, and never another error."""
    dice, started = random.Random(7), time.perf_counter()
    for number in range(2000):
        data = bytearray(LEAF.der if number % 2 else dice.randbytes(dice.randrange(400)))
        for _ in range(dice.randrange(1, 8) if data else 0):
            data[dice.randrange(len(data))] = dice.randrange(256)
        parsed = chains.parse(bytes(data))
        if isinstance(parsed, Finding):
            assert parsed.flaw is Flaw.MALFORMED
        else:
            judge(parsed[0], EXPECTED, NOW)
            chains.way(parsed[0], [ROOT.certificate, MIDDLE.certificate], set())
    assert time.perf_counter() - started < 20.0


def test_what_is_read_is_a_certificate() -> None:
    assert read(LEAF.der) == LEAF.certificate
    assert isinstance(read(b""), Finding)
