"""What the pages do: alarms, answers to alarms that stay, the configuration, certificates. Each is in the audit."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final, TypeVar

from pydantic import Field

from gateway.changes import Changes
from gateway.console import assets
from gateway.console.calls import Call, Route
from gateway.console.host import Host, Loop, changes_of, now
from gateway.console.rights import Refused, Right
from gateway.models import answers
from gateway.sdk.certificates import Certificate, Certificates, Certified, NoSuchCertificateError
from gateway.sdk.config import Table
from gateway.sdk.errors import DisconnectedError, FieldgateError
from gateway.stages.command import Refusal

_T = TypeVar("_T")
_RELOAD: Final = 120.0  # s that taking up another configuration may take
_STATUS: Final = {
    Refusal.MALFORMED: HTTPStatus.BAD_REQUEST,
    Refusal.UNKNOWN: HTTPStatus.NOT_FOUND,
}
_CONFIGURE: Final = ("disable", "enable", "accept", "recalibrate")  # these change how the gateway works


class AlarmBody(Table):
    """Why, and for how long."""

    comment: str = Field(default="", max_length=1024)
    lasts: str | None = Field(default=None, alias="for", max_length=32)


class ApplyBody(Table):
    """Whether it must be confirmed: within so many seconds."""

    confirm: float | None = Field(default=None, ge=10, le=3600)


class Acting:
    """Has things done by `host`, on its `loop`."""

    def __init__(self, host: Host, loop: Loop) -> None:
        self._host, self._loop = host, loop

    def routes(self) -> Sequence[Route]:
        """The paths."""
        operate, configure = Right.OPERATE, Right.CONFIGURE
        return [
            Route("alarm_action", "POST", "/alarms/{asset}/{action}", self._alarm, operate, body=AlarmBody, act=True),
            Route("answer", "POST", "/assets/{name}/{answer}", self._answer, operate, act=True),
            Route("apply", "POST", "/config/apply", self._apply, configure, body=ApplyBody, act=True),
            Route("confirm", "POST", "/config/confirm", self._confirm, configure, act=True),
            Route("revert", "POST", "/config/revert", self._revert, configure, act=True),
            Route("config_history", "GET", "/config/history", self._history),
            Route("certificates", "GET", "/certificates", self._certificates),
            Route("decide_certificate", "POST", "/certificates/{thumb}/{decision}", self._decide, configure, act=True),
        ]

    # -- alarms and assets -------------------------------------------------------------------------------------------

    async def _alarm(self, call: Call) -> dict[str, Any]:
        action = call.path["action"]
        _check_right(call, action)
        given = {"asset": call.path["asset"], "action": action, "by": call.who.by, "comment": call.body.comment}
        note = given | ({"for": call.body.lasts} if call.body.lasts is not None else {})

        async def take() -> dict[str, Any] | None:
            return self._host.desk.commands.take(note, "console")

        answer = await self._loop.do(take)
        if answer is None:
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "busy", "too many commands within a second", 1.0)
        if answer["result"] != "done":
            reason = str(answer["reason"])
            raise Refused(_STATUS.get(Refusal(reason), HTTPStatus.CONFLICT), reason, answer["text"])
        return {name: answer[name] for name in ("result", "text", "state", "time")}

    async def _answer(self, call: Call) -> dict[str, Any]:
        name, answer = call.path["name"], call.path["answer"]
        assets.find(now(self._host), name)
        if answer not in answers.ANSWERS:
            raise Refused(HTTPStatus.NOT_FOUND, "unknown", f"'{answer}' is no answer: {', '.join(answers.ANSWERS)}")
        _check_right(call, answer)
        try:
            await asyncio.to_thread(answers.leave, self._host.state, name, answer)
        except OSError as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "disk", f"{self._host.state}: {error.strerror}") from error
        return {"text": f"{name}: {answer} is left for the gateway; what came of it comes as an event"}

    # -- configuration -----------------------------------------------------------------------------------------------

    async def _apply(self, call: Call) -> dict[str, Any]:
        return await self._change(lambda changes: changes.apply(call.body.confirm, call.who.by))

    async def _confirm(self, call: Call) -> dict[str, Any]:
        return await self._change(lambda changes: changes.confirm(call.who.by))

    async def _revert(self, call: Call) -> dict[str, Any]:
        return await self._change(lambda changes: changes.revert(call.who.by))

    async def _change(self, do: Callable[[Changes], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        changes = changes_of(self._host)
        return await _tried(self._loop.do(lambda: do(changes), _RELOAD))

    async def _history(self, _call: Call) -> dict[str, Any]:
        records = await _tried(asyncio.to_thread(changes_of(self._host).history))
        return {"changes": [one | {"applied": round(one["applied"] * 1000)} for one in reversed(records)]}

    # -- certificates ------------------------------------------------------------------------------------------------

    async def _certificates(self, _call: Call) -> dict[str, Any]:
        return {"certificates": await _tried(asyncio.to_thread(self._all))}

    def _all(self) -> list[dict[str, Any]]:
        return [_shown(name, one, self._now()) for name, keeper in self._keepers() for one in keeper.all()]

    async def _decide(self, call: Call) -> dict[str, Any]:
        decision = call.path["decision"]
        if decision not in ("trust", "reject"):
            raise Refused(HTTPStatus.NOT_FOUND, "unknown", f"'{decision}' is none: trust, reject")
        return await _tried(asyncio.to_thread(self._decided, call.path["thumb"], decision))

    def _decided(self, thumb: str, decision: str) -> dict[str, Any]:
        """A fingerprint only: the name of a file would let whoever asks look whether it is there."""
        if not (8 <= len(thumb) <= 64 and all(digit in "0123456789abcdefABCDEF" for digit in thumb)):  # noqa: PLR2004 - digits of a SHA-256
            raise Refused(HTTPStatus.BAD_REQUEST, "malformed", "name it by 8 to 64 digits of its fingerprint")
        missing = "there is no such certificate"
        for name, keeper in self._keepers():
            try:
                done = keeper.trust(thumb) if decision == "trust" else keeper.reject(thumb)
            except NoSuchCertificateError as error:
                missing = str(error)
                continue
            return _shown(name, done, self._now())
        raise Refused(HTTPStatus.NOT_FOUND, "unknown", missing)

    def _keepers(self) -> Iterator[tuple[str, Certificates]]:
        """What keeps the certificates of each adapter that runs, by its name."""
        kinds = {}
        for runner in now(self._host).runners:
            if isinstance(runner.adapter, Certified):
                kinds[runner.connection.devices[0].config.adapter] = type(runner.adapter)
        for name, kind in kinds.items():
            yield name, kind.keeper(self._host.state / "adapters" / name, self._now())

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._host.clock.wall_ns() / 1e9, dt.UTC)


def _check_right(call: Call, action: str) -> None:
    """What changes how the gateway works needs more than what an operator may."""
    if action in _CONFIGURE and not call.who.may(Right.CONFIGURE):
        text = f"{action} needs the right to {Right.CONFIGURE}; {call.who.name} is {call.who.role}"
        raise Refused(HTTPStatus.FORBIDDEN, "right", text)


async def _tried(work: Awaitable[_T]) -> _T:
    """What is wrong with a configuration or a certificate is the answer, not a fault of ours."""
    try:
        return await work
    except Refused:
        raise
    except DisconnectedError as error:
        raise Refused(HTTPStatus.CONFLICT, "away", str(error)) from error
    except FieldgateError as error:
        raise Refused(HTTPStatus.CONFLICT, "configuration", str(error)) from error
    except OSError as error:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "disk", str(error)) from error


def _shown(adapter: str, one: Certificate, now_: dt.datetime) -> dict[str, Any]:
    return asdict(one) | {
        "adapter": adapter, "begins": round(one.begins.timestamp() * 1000),
        "expires": round(one.expires.timestamp() * 1000),
        "days": round((one.expires - now_).total_seconds() / 86400, 2),
    }  # fmt: skip
