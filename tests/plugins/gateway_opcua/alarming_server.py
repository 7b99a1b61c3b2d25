"""asyncua's own server with events and a method, in a process of its own: `python alarming_server.py PORT`.

It knows no ConditionRefresh. Commands by line on stdin, each answered with "done", as is the start with "ready":
raise SEVERITY TEXT | alarm ACTIVE ACKED | odd | overflow.
"""

import asyncio
import logging
import sys
from typing import Any

from asyncua import ua
from asyncua.common.methods import uamethod
from asyncua.common.node import Node
from asyncua.server.event_generator import EventGenerator
from asyncua.server.server import Server

URI = "http://fieldgate.test/alarming"


async def serve(port: int) -> None:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    index = await server.register_namespace(URI)
    tank = await server.nodes.objects.add_object(_node("Tank", index), "Tank")
    await tank.add_variable(_node("Level", index), "Level", 50.0)
    kinds: list[Any] = [ua.VariantType.Int16, ua.VariantType.String]
    await tank.add_method(_node("Mix", index), "Mix", mix, kinds, [ua.VariantType.String])
    await tank.add_method(_node("Sum", index), "Sum", total, [_list()], [ua.VariantType.Double])
    plain = await server.get_event_generator()
    alarm = await _alarm(server, tank)
    overflow = await server.get_event_generator(ua.NodeId(ua.Int32(3035)))
    async with server:
        await obey({"plain": plain, "alarm": alarm, "overflow": overflow})


def _list() -> ua.Argument:
    return ua.Argument(Name="numbers", DataType=ua.NodeId(ua.Int32(11)), ValueRank=ua.Int32(1))


async def _alarm(server: Server, tank: Node) -> EventGenerator:
    alarm = await server.get_event_generator(ua.NodeId(ua.Int32(2915)))
    event = alarm.event
    event.add_property("NodeId", tank.nodeid, ua.VariantType.NodeId)  # the condition itself
    for name in ("EnabledState/Id", "ActiveState/Id", "AckedState/Id"):
        event.add_property(name, False, ua.VariantType.Boolean)
    event.ConditionName = "TankAlarm"
    event.SourceName = "Tank"
    return alarm


def _node(name: str, index: int) -> ua.NodeId:
    return ua.NodeId(ua.String(name), ua.Int16(index))


@uamethod
async def mix(_parent: Any, count: int, colour: str) -> str:
    return f"{count} {colour}"


@uamethod
async def total(_parent: Any, numbers: list[float]) -> float:
    return float(sum(numbers))


async def obey(told: dict[str, EventGenerator]) -> None:
    _say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        verb, *rest = line.split()
        if verb == "raise":
            told["plain"].event.Severity = int(rest[0])
            await told["plain"].trigger(message=" ".join(rest[1:]))
        elif verb == "odd":  # nothing but an id
            event = told["plain"].event
            event.SourceNode = event.SourceName = event.Severity = None
            await told["plain"].trigger()
        elif verb == "overflow":
            await told["overflow"].trigger(message="overflow")
        elif verb == "alarm":
            active, acked = (word == "yes" for word in rest)
            event = told["alarm"].event
            event.Retain = active or not acked
            event.Severity = 700
            setattr(event, "ActiveState/Id", active)
            setattr(event, "AckedState/Id", acked)
            await told["alarm"].trigger(message="tank is full")
        _say("done")


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(serve(int(sys.argv[1])))
