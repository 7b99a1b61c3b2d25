"""Telegraf's OPC UA inputs: a node id in three keys, defaults by group, and what the server was to decide."""

import json

from tests.importing.site import CANARY, Site

OPCUA_SAMPLE = """
[[inputs.opcua]]
  name = "line"
  endpoint = "opc.tcp://10.0.4.30:4840"
  request_timeout = "5s"
  security_policy = "Basic256Sha256"
  security_mode = "SignAndEncrypt"
  certificate = "/etc/telegraf/cert.pem"
  private_key = "/etc/telegraf/key.pem"
  auth_method = "UserName"
  username = "op"
  password = "c4n4ry-of-a-plant"
  nodes = [{name="temp", namespace="3", identifier_type="s", identifier="Temperature"}]
  [[inputs.opcua.group]]
    name = "group1"
    namespace = "3"
    identifier_type = "i"
    default_tags = { plant = "north" }
    nodes = [{name="saw", identifier="1003"}, {name="saw", identifier="1004"}]
"""
LISTENER_SAMPLE = """
[[inputs.opcua_listener]]
  endpoint = "opc.tcp://10.0.4.30:4840"
  subscription_interval = "250ms"
  security_policy = "None"
  timestamp = "source"
  [[inputs.opcua_listener.nodes]]
    name = "node1"
    namespace = "2"
    identifier_type = "g"
    identifier = "09087e75-8e5e-499b-954f-f2a9603db28a"
    [inputs.opcua_listener.nodes.monitoring_params]
      sampling_interval = "100ms"
      queue_size = 20
      discard_oldest = false
      [inputs.opcua_listener.nodes.monitoring_params.data_change_filter]
        deadband_type = "Absolute"
        deadband_value = 0.5
"""


def test_opcua_with_groups_and_a_user(site: Site) -> None:
    done = site.run("telegraf", {"telegraf.conf": OPCUA_SAMPLE})
    assert (done.code, site.checks()) == (0, True)
    assert done.tags == {
        "temp": {"node": "ns=3;s=Temperature"},
        "saw": {"node": "ns=3;i=1003", "description": "plant=north"},
        "group1_saw": {"node": "ns=3;i=1004", "description": "plant=north"},
    }
    assert done.devices["line"]["security"] == "sign_and_encrypt"
    assert done.told("secret", "line", "password of user op")
    assert done.told("changed", "certificate", "fieldgate certs")
    assert done.told("changed", "timestamp", "time that the server gives")
    assert CANARY not in json.dumps([done.notes, done.out, done.err])


def test_the_listener_with_monitoring_parameters(site: Site) -> None:
    done = site.run("telegraf", {"telegraf.conf": LISTENER_SAMPLE}, "--accept-loss")
    assert (done.code, site.checks()) == (0, True)
    device = done.devices["10_0_4_30"]
    assert (device["mode"], device["every"], device["queue"]) == ("subscribe", "100ms", 20)
    assert done.tags["node1"]["deadband"] == 0.5
    assert "security" not in device
    assert done.told("changed", "trigger", "Status is told of")  # the default of a filter: changes of status only
    assert done.told("lost", "discard_oldest")
    assert not done.told("changed", "timestamp")


def test_security_that_is_chosen_at_run_time_becomes_a_safe_one_and_is_told(site: Site) -> None:
    node = '{name="t", namespace="2", identifier_type="s", identifier="T"}'
    done = site.run("telegraf", {"t.conf": f'[[inputs.opcua]]\nendpoint="opc.tcp://h"\nnodes=[{node}]\n'})
    assert done.devices["h"]["security"] == "sign_and_encrypt"
    assert done.told("changed", "best security")
