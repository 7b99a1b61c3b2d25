"""The primary host and its STATE (§5.4, §5.5, §5.8)."""

from tests.deliver.sparkplug.life import Waiting
from tests.deliver.sparkplug.transcript import BIRTHS, LIFE, PRIMARY, Life, asserts, of


@asserts(PRIMARY, "message-flow-edge-node-birth-publish-phid-wait")
def _no_birth_before_the_host_is_there(seen: Waiting) -> None:
    assert not [packet for step in ("nobody", "offline") for packet in seen.steps[step] if packet.kind == "PUBLISH"]
    assert [packet.type for packet in of(seen.steps["online"], *BIRTHS)] == ["NBIRTH", "DBIRTH"]


@asserts(PRIMARY, "message-flow-edge-node-birth-publish-phid-wait-id")
def _another_host_does_not_count(seen: Waiting) -> None:
    assert not [packet for packet in seen.steps["another host"] if packet.kind == "PUBLISH"]


@asserts(PRIMARY, "message-flow-edge-node-birth-publish-phid-wait-online")
def _offline_is_not_online(seen: Waiting) -> None:
    assert not [packet for packet in seen.steps["offline"] if packet.kind == "PUBLISH"]
    assert of(seen.steps["online"], "NBIRTH")


@asserts(
    PRIMARY,
    "message-flow-edge-node-birth-publish-phid-wait-timestamp",
    "operational-behavior-edge-node-termination-host-offline-timestamp",
)
def _an_old_word_does_not_count(seen: Waiting) -> None:
    assert of(seen.steps["an old offline"], "DDATA"), "it goes on telling"
    assert not [p for p in seen.steps["an old offline"] if p.kind == "DISCONNECT" or p.type == "NDEATH"]


@asserts(
    PRIMARY,
    "message-flow-edge-node-birth-publish-phid-offline",
    "operational-behavior-edge-node-termination-host-offline",
)
def _ndeath_and_disconnect_when_the_host_goes(seen: Waiting) -> None:
    kinds = [packet.type or packet.kind for packet in seen.steps["offline again"]]
    assert kinds[kinds.index("NDEATH") : kinds.index("NDEATH") + 3] == ["NDEATH", "DISCONNECT", "CONNECT"]


@asserts(
    PRIMARY,
    "operational-behavior-edge-node-termination-host-offline-reconnect",
    "operational-behavior-primary-application-state-with-multiple-servers-walk",
)
def _it_connects_again(seen: Waiting) -> None:
    kinds = [packet.type or packet.kind for packet in seen.steps["offline again"]]
    assert kinds.index("CONNECT") > kinds.index("DISCONNECT")


@asserts(PRIMARY, "operational-behavior-edge-node-birth-sequence-wait")
def _and_waits_again(seen: Waiting) -> None:
    kinds = [packet.type or packet.kind for packet in seen.steps["offline again"]]
    assert not {"NBIRTH", "DBIRTH", "DDATA"} & set(kinds)
    assert [p.type for p in of(seen.steps["online again"], "NBIRTH", "DDATA")] == ["NBIRTH", "DDATA"]


@asserts(PRIMARY, "operational-behavior-primary-application-state-with-multiple-servers-state-subs")
def _state_issubscribed(seen: Waiting) -> None:
    [asked] = [packet for packet in seen.steps["nobody"] if packet.kind == "SUBSCRIBE"]
    assert ("spBv1.0/STATE/scada", 1) in asked.topics


@asserts(LIFE, "operational-behavior-primary-application-state-with-multiple-servers-single-server")
def _one_connection_at_a_time(life: Life) -> None:
    numbers = [packet.connection for packet in life]
    assert numbers == sorted(numbers)
