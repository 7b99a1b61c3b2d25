"""Which kind of server it is, by what it says of itself; and what it is asked for then."""

from pathlib import Path
from typing import Any

import pytest

from gateway.sdk.testing import host
from gateway_opcua.profiles import PROFILES, UNKNOWN, Profile, profile_of
from gateway_opcua.session import Session
from tests.plugins.gateway_opcua.peers import Process
from tests.plugins.gateway_opcua.rigs import device


@pytest.mark.parametrize(
    ("build", "name"),
    [
        ({"ManufacturerName": "Siemens AG", "ProductName": "SIMATIC S7-1200 OPC UA"}, "S7-1200"),
        ({"ManufacturerName": "Siemens AG", "ProductUri": "https://www.siemens.com/s7-1500"}, "S7-1500"),
        ({"ManufacturerName": "Siemens AG", "ProductName": "WinCC"}, ""),
        ({"ManufacturerName": "PTC", "ProductName": "KEPServerEX"}, "Kepware"),
        ({"ManufacturerName": "Inductive Automation", "ProductName": "Ignition OPC UA Server"}, "Ignition"),
        ({"ManufacturerName": "Prosys OPC Ltd.", "ProductName": "Simulation Server"}, "Prosys"),
        ({"ManufacturerName": "open62541", "ProductName": "open62541 OPC UA Server"}, "open62541"),
        ({"ManufacturerName": None, "ProductName": 7}, ""),
        ({}, ""),
        ("nonsense", ""),
        (None, ""),
    ],
)
def test_a_server_is_known_by_its_build_info(build: Any, name: str) -> None:
    assert profile_of(build).name == name


@pytest.mark.parametrize(
    ("profile", "told", "limit", "items"),
    [
        (UNKNOWN, 0.0, 1000, 1000),
        (UNKNOWN, float("nan"), 1000, 1000),
        (UNKNOWN, 50.0, 50, 50),
        (UNKNOWN, 1e9, 10_000, 10_000),
        (Profile("small", (), items=100), 1000.0, 1000, 100),
        (Profile("small", (), items=100), 20.0, 20, 20),
        (Profile("strong", (), unlimited=5000), 0.0, 5000, 5000),
        (Profile("strong", (), unlimited=5000), 200.0, 200, 200),
    ],
)
def test_what_a_server_says_counts_unless_it_bears_less(profile: Profile, told: float, limit: int, items: int) -> None:
    assert (profile.limit(told), profile.items_per_call(told)) == (limit, items)


def test_no_profile_asks_for_more_than_any_server_is_asked_for() -> None:
    assert all(profile.items_per_call(1e9) <= profile.limit(1e9) <= 10_000 for profile in PROFILES)


@pytest.mark.parametrize(("kind", "name"), [("asyncua_server", ""), ("node_opcua_server", "node-opcua")])
async def test_real_servers(request: pytest.FixtureRequest, tmp_path: Path, kind: str, name: str) -> None:
    process: Process = request.getfixturevalue(kind)
    session = Session(device(process.port, {"t": {"node": "i=2258"}}), host(tmp_path))
    await session.open()
    try:
        assert session.profile.name == name
        assert session.nodes_per_read >= 1
    finally:
        await session.close()
