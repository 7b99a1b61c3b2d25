"""What every peer reads of one OPC UA server is read after its import: numbers and text, by node and by path."""

import json
from collections.abc import Iterator

import pytest

from tests.importing.site import Site
from tests.plugins.gateway_opcua.peers import free_port, start_asyncua

MEANT = {"N3": 3.0, "Float": 1.5, "Int16": -3000, "Boolean": 1, "String": "warm"}  # asyncua_server.py, namespace 2


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with start_asyncua(free_port(), nodes=5) as server:
        yield f"opc.tcp://127.0.0.1:{server.port}/line"


def telegraf(url: str, plugin: str) -> str:
    nodes = ", ".join(f'{{name="{name}", namespace="2", identifier_type="s", identifier="{name}"}}' for name in MEANT)
    return (
        f'[[inputs.{plugin}]]\nname="{plugin}"\nendpoint="{url}"\nsecurity_policy="None"\nsecurity_mode="None"\n'
        f"nodes=[{nodes}]\n"
    )


def thingsboard(url: str) -> str:
    points = [{"key": name, "type": "path", "value": f"${{0:{name}}}"} for name in MEANT if name != "Float"]
    points.append({"key": "Float", "type": "identifier", "value": "${ns=2;s=Float}"})
    info = {"deviceNameExpression": "tb", "deviceNameExpressionSource": "constant"}
    mapping = {"deviceNodePattern": "Root\\.Objects\\.2:Line", "deviceInfo": info, "timeseries": points}
    server = {"url": url, "enableSubscriptions": False, "pollPeriodInMillis": 500, "identity": {"type": "anonymous"}}
    return json.dumps({"server": server, "mapping": [mapping]})


def neuron(url: str) -> str:
    tags = [{"name": name, "address": f"2!{name}", "attribute": 1, "type": 10} for name in MEANT]
    group = {"group": "g", "interval": 500, "tags": tags}
    return json.dumps({"nodes": [{"name": "neuron", "plugin": "OPC UA", "params": {"url": url}, "groups": [group]}]})


def published(url: str) -> str:
    nodes = [{"Id": f"http://fieldgate.test/line#s={name}", "DisplayName": name} for name in MEANT]
    return json.dumps([{"EndpointUrl": url, "DataSetWriterGroup": "published", "OpcNodes": nodes}])


def benthos(url: str) -> str:
    nodes = [f"ns=2;s={name}" for name in MEANT]
    return json.dumps({"input": {"opcua": {"endpoint": url, "securityMode": "None", "nodeIDs": nodes}}})


def test_every_peer_reads_the_same_of_one_server(site: Site, url: str) -> None:
    files = [
        ("telegraf", "a.conf", telegraf(url, "opcua")),
        ("telegraf", "b.conf", telegraf(url, "opcua_listener")),
        ("thingsboard", "c.json", thingsboard(url)),
        ("neuron", "d.json", neuron(url)),
        ("opcpublisher", "e.json", published(url)),
        ("benthos", "f.json", benthos(url)),
    ]
    for kind, name, text in files:
        done = site.run(kind, {name: text})
        assert done.code == 0, (kind, done.notes)
    assert site.checks()
    read = site.reads()
    devices = {name.partition(".")[0] for name in read}
    assert devices == {"opcua", "opcua_listener", "tb", "neuron", "published", "127_0_0_1"}
    assert read == {f"{device}.{name}": value for device in devices for name, value in MEANT.items()}
