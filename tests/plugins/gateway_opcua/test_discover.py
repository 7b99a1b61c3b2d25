"""What answers at an address over OPC UA: another maker's server, and what is none."""

import json
import time
from pathlib import Path

import pytest

from gateway.__main__ import main
from tests.cli.field import plain, running
from tests.plugins.gateway_opcua.issuing import make
from tests.plugins.gateway_opcua.peers import Process, free_port
from tests.plugins.gateway_opcua.securing import serving


def test_another_makers_server_is_found(node_opcua_server: Process, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["127.0.0.1", "--port", f"opcua:{node_opcua_server.port}", "--yes", "--json", "--rate", "500"]
    assert main(["scan", *args]) == 0
    one = json.loads(capsys.readouterr().out)
    assert one["kind"] == "OPC UA server"
    assert one["device"]["security"] == "sign_and_encrypt"
    assert "SignAndEncrypt Aes256_Sha256_RsaPss" in one["says"]["offers"]


def test_a_discovery_server_leads_to_the_others_on_its_host_and_to_no_other_host(
    asyncua_server: Process, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running({"127.0.2.40": plain()}, "127.0.2.41", free_port()) as elsewhere:
        known = [
            f"opc.tcp://line-3:{asyncua_server.port}",
            f"opc.tcp://127.0.2.40:{elsewhere.port}",
            "opc.tcp://x:y",
            "?",
        ]
        with serving(tmp_path, make(), discovery=known) as discovery:
            args = ["127.0.0.1", "--port", f"opcua:{discovery.port}", "--yes", "--json", "--rate", "500"]
            assert main(["scan", *args]) == 0
        assert elsewhere.arrivals == []
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["kind"] for one in found] == ["OPC UA discovery server", "OPC UA server"]
    assert "it knows opc.tcp://" in found[0]["remark"]
    assert found[0]["device"] is None
    assert found[1]["device"]["connect"] == f"opc.tcp://127.0.0.1:{asyncua_server.port}/line"


@pytest.mark.parametrize("host", ["127.0.2.30", "127.0.2.31", "127.0.2.32", "127.0.2.33"])
def test_what_is_no_opc_ua_is_told_in_bounded_time(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    odd = {"127.0.2.30": plain(odd="silent"), "127.0.2.32": plain(odd="garbage"), "127.0.2.33": plain()}
    with running(odd, "127.0.2.31", free_port()) as field:
        started = time.monotonic()
        args = [host, "--port", f"opcua:{field.port}", "--yes", "--json", "--rate", "500", "--timeout", "0.5"]
        assert main(["scan", *args]) == 1
        assert time.monotonic() - started < 8.0
        one = json.loads(capsys.readouterr().out)
        assert (one["kind"], one["device"]) == ("", None)
        assert "takes connections and does not speak OPC UA" in one["remark"]
