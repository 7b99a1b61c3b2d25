"""Who has done it: a token is told from a user wherever it leaves its name."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from gateway.console.acting import Acting, AlarmBody, ApplyBody
from gateway.console.calls import Call
from gateway.console.host import Loop
from gateway.console.rights import Role, Who


async def test_a_token_signs_as_a_token_what_it_does_to_alarms_and_to_the_configuration() -> None:
    signed: list[Any] = []

    def take(note: dict[str, Any], _via: str) -> dict[str, Any]:
        signed.append(note["by"])
        return {"result": "done", "text": "", "state": "", "time": 0}

    async def change(*given: Any) -> dict[str, Any]:
        signed.append(given[-1])
        return {}

    changes = SimpleNamespace(apply=change, confirm=change, revert=change)
    host = SimpleNamespace(desk=SimpleNamespace(commands=SimpleNamespace(take=take)), changes=changes)
    acting = Acting(cast("Any", host), Loop(asyncio.get_running_loop()))
    who = Who("admin", Role.ADMIN, key="digest")
    path = {"asset": "bench", "action": "ack"}
    await acting._alarm(Call(who, "", path, None, AlarmBody(), "POST"))
    for do in (acting._apply, acting._confirm, acting._revert):
        await do(Call(who, "", {}, None, ApplyBody(), "POST"))
    assert signed == ["token:admin"] * 4
