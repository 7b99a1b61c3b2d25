"""The files have changed: what that means, and how it comes to run. Asked for by a verb, by SIGHUP, or by the console.

A configuration is read and checked beside the one that runs; one that is wrong changes nothing. With `confirm` it is on
trial: unless somebody confirms it in time, or as soon as a device that gave data before gives none, the former one
takes over again. What is on trial is in doubt on disk, so that the end of the daemon decides for the former one, too.
"""

import asyncio
import pickle
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from gateway.config.compare import LASTING, Change, told
from gateway.config.files import FOLDER, TEMPLATES
from gateway.config.load import Configuration
from gateway.config.problems import PLUGIN_FAULTS
from gateway.config.shelf import digest, signature
from gateway.judging import Announce
from gateway.ops.health import Health, State
from gateway.ops.inbox import Inbox, Note
from gateway.sdk import Clock, Log
from gateway.sdk.errors import FieldgateError
from gateway.state.configurations import Configurations, Doubt, Record
from gateway.state.edition import Edition
from gateway.trial import SILENT, Trial, fails

NAME: Final = "configuration"  # whom the events are about
CHANGES: Final = "changes"  # folder of the state, for notes of the command line
AT_START: Final = "start"
_LOOK: Final = 0.25  # s between two looks

Reading = Callable[[Mapping[str, bytes]], Awaitable[tuple[Configuration, list[Change]]]]
"""Reads the files: what they say, and what is other than in the content that is given. Raises ConfigErrors."""


@dataclass(frozen=True)
class Files:
    """The files of a gateway: how they are read anew; and why it does not run what they say, "" where it does."""

    reading: Reading
    doubt: str = ""


class ChangeRefusedError(FieldgateError):
    """Nothing has changed; the message says why."""


@dataclass(frozen=True)
class Gateways:
    """What changes need of the gateway.

    Attributes:
        change: lets another configuration take over; gives the devices whose connections were made anew.
        silent: which of these devices give no data, and why.
        announce: sends an event.
        health: is told when what runs is not what the files say.
    """

    change: Callable[[Configuration], Awaitable[Sequence[str]]]
    silent: Callable[[Sequence[str]], Mapping[str, str]]
    announce: Announce
    health: Health
    clock: Clock
    log: Log


class Changes:
    """Applies configurations, one at a time.

    Args:
        configuration: that runs.
        state: folder of the state.
        files: where another one comes from.
        gateway: what it is applied to.
        edition: is told which one runs.
    """

    def __init__(
        self, configuration: Configuration, state: Path, files: Files, gateway: Gateways, edition: Edition
    ) -> None:
        self.kept, self._edition = Configurations(state), edition
        self.trial: Trial | None = None
        self._now, self._files, self._gateway = configuration, files, gateway
        self._inbox = Inbox(state, CHANGES)
        self._lock = asyncio.Lock()
        self._asked: list[str] = []

    # -- life --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Note what runs; then take what is asked for, and look after what is on trial. Until cancelled."""
        await self._begin()
        while True:
            await asyncio.sleep(_LOOK)
            for by in [self._asked.pop() for _ in range(len(self._asked))]:
                await self._answered({"verb": "apply", "by": by})
            for name, note in await asyncio.to_thread(self._inbox.collect):
                answer = await self._answered(note)
                with suppress(OSError):  # a full disk: it was done, and its event says so
                    await asyncio.to_thread(self._inbox.answer, name, answer)
            await self._look()
            if not self._lock.locked():
                await self._edition.look(self._now, self.kept)

    def ask(self, by: str) -> None:
        """Have the files applied soon; from any callback of the loop."""
        self._asked.append(by)

    async def watch(self, every: float) -> None:
        """Look at the files every so many seconds; what has changed and was left alone since is applied. For ever."""
        files, before, settled = self._now.files, (), ()  # type: tuple[Path, ...], object, object
        while True:
            now = await asyncio.to_thread(signature, self._now.files, (FOLDER, TEMPLATES))
            if not settled or files != self._now.files:  # another one runs: what stands there now is known
                files, settled = self._now.files, now
            elif now == before != settled and self.trial is None:  # what changes during a trial is taken up after it
                settled = now
                self.ask("watch")
            before = now
            await asyncio.sleep(every)

    async def _begin(self) -> None:
        """Keep what the daemon was started with; told where it is not what the files say."""
        if doubt := self._files.doubt:
            self._gateway.health.report(NAME, State.DEGRADED, doubt, "mend the files, then `fieldgate apply`")
            self._tell("configuration in doubt", f"{doubt}; an earlier one runs", {})
            with suppress(OSError):
                await asyncio.to_thread(self.kept.disown, self._digest, doubt)
            self._files = replace(self._files, doubt="")
            return
        latest = await asyncio.to_thread(self.kept.latest)
        if latest is None or latest.digest != self._digest:
            await self._keep(self._now, AT_START, "")

    async def _answered(self, note: Note) -> Note:
        by, comment = str(note.get("by", "")), str(note.get("comment", ""))
        try:
            match note.get("verb"):
                case "apply":
                    confirm = note.get("confirm")
                    return await self.apply(float(confirm) if confirm else None, by, comment)
                case "confirm":
                    return await self.confirm(by)
                case "revert":
                    return await self.revert(by)
                case verb:
                    return {"result": "refused", "text": f"'{verb}' is nothing that can be asked for"}
        except (*PLUGIN_FAULTS, pickle.PickleError) as error:
            text = str(error) or repr(error)
            self._tell("configuration refused", text.splitlines()[0], {"by": by})
            return {"result": "refused", "text": text}

    # -- what can be asked for ---------------------------------------------------------------------------------------

    async def plan(self) -> dict[str, Any]:
        """What the files would change of what runs. Raises ConfigErrors."""
        _, changes = await self._files.reading(self._now.content)
        return told(changes)

    async def apply(self, confirm: float | None, by: str, comment: str = "") -> dict[str, Any]:
        """Have the files run. With `confirm`, in seconds, on trial.

        Raises:
            ConfigErrors: they are wrong.
            ChangeRefusedError: another configuration is on trial, or a plugin refuses this one.
        """
        async with self._lock:
            if self.trial is not None:
                number = self.trial.record.number
                raise ChangeRefusedError(
                    f"configuration {number} is on trial: `fieldgate confirm` or `fieldgate revert` it"
                )
            new, changes = await self._files.reading(self._now.content)
            answer = told(changes)
            if digest(new.content) == self._digest and await asyncio.to_thread(self._runs, new):
                await self._believe()
                self._gateway.health.report(NAME, State.OK)
                return answer | {"result": "unchanged", "text": "nothing changes"}
            return answer | await self._apply(new, confirm, by, comment)

    async def confirm(self, by: str) -> dict[str, Any]:
        """What is on trial holds. Raises ChangeRefusedError when nothing is."""
        async with self._lock:
            trial = self._on_trial()
            await asyncio.to_thread(self.kept.believe)
            self.trial = None
            text = f"configuration {trial.record.number} is confirmed"
            self._tell("configuration confirmed", text, {"number": trial.record.number, "by": by})
            return {"result": "confirmed", "number": trial.record.number, "text": text}

    async def revert(self, by: str) -> dict[str, Any]:
        """The former configuration takes over again. Raises ChangeRefusedError when nothing is on trial."""
        async with self._lock:
            return await self._revert(self._on_trial(), f"taken back by {by}" if by else "taken back")

    def history(self) -> list[dict[str, Any]]:
        """All that have run, the eldest first; reads the disk."""
        latest = self.kept.latest()
        return [
            {name: getattr(record, name) for name in record.__slots__} | {"runs": record == latest}
            for record in self.kept.records()
        ]

    # -- how it is done ----------------------------------------------------------------------------------------------

    @property
    def _digest(self) -> str:
        return digest(self._now.content)

    async def _apply(self, new: Configuration, confirm: float | None, by: str, comment: str) -> dict[str, Any]:
        former, latest = self._now, await asyncio.to_thread(self.kept.latest)
        if confirm and latest is not None:
            why = "the configuration in the files was on trial and has not been confirmed"
            await asyncio.to_thread(self.kept.put_in_doubt, Doubt(digest(new.content), latest.number, why))
        before = self._gateway.silent([device.device for device in former.devices])
        try:
            anew = await self._change(new)
        except PLUGIN_FAULTS as error:
            await self._believe()
            raise ChangeRefusedError(str(error) or repr(error)) from error
        record = await self._keep(new, by, comment)
        text = f"configuration {record.number} runs"
        if confirm:
            gave = {device.device for device in former.devices} - before.keys()
            watched = [name for name in anew if name in gave]
            now = self._gateway.clock.monotonic()
            self.trial = Trial(record, former, now + confirm, min(SILENT, confirm / 2), watched)
            text += f" on trial; the former one comes back in {confirm:g} s unless it is confirmed"
        else:
            await self._believe()
        self._gateway.health.report(NAME, State.OK)
        self._tell("configuration applied", text, {"number": record.number, "by": by, "comment": comment})
        return {"result": "applied", "number": record.number, "text": text, "anew": list(anew)}

    async def _change(self, new: Configuration) -> Sequence[str]:
        """Sections that only a start reads stay as they are."""
        effective = self._effective(new)
        anew = await self._gateway.change(effective)
        self._now = effective
        return anew

    def _effective(self, new: Configuration) -> Configuration:
        stay = {name: getattr(self._now.root, name) for name in LASTING if hasattr(new.root, name)}
        return replace(new, root=new.root.model_copy(update=stay))

    def _runs(self, new: Configuration) -> bool:
        """Whether it is what runs, secrets included."""
        return (self._effective(new).root, new.devices) == (self._now.root, self._now.devices)

    async def _keep(self, new: Configuration, by: str, comment: str) -> Record:
        record = Record(0, "", self._gateway.clock.wall_ns() / 1e9, by, comment)
        try:
            return await asyncio.to_thread(self.kept.keep, new.content, record)
        except OSError as error:  # a full disk: it runs, and is not in the history
            self._gateway.log.warning("configuration not kept", error=str(error))
            return record

    def _on_trial(self) -> Trial:
        if self.trial is None:
            raise ChangeRefusedError("no configuration is on trial")
        return self.trial

    async def _look(self) -> None:
        """After what is on trial."""
        trial, now = self.trial, self._gateway.clock.monotonic()
        if trial is None:
            return
        why = fails(trial, self._gateway.silent(trial.watched), now)
        if why:
            async with self._lock:
                if self.trial is trial:
                    await self._revert(trial, why)

    async def _revert(self, trial: Trial, why: str) -> dict[str, Any]:
        number, self.trial = trial.record.number, None
        await self._change(trial.former)
        try:
            await asyncio.to_thread(self._take_back, number, why)
        except OSError as error:  # a full disk: it is in doubt since it was applied, and no start runs it
            self._gateway.log.warning("configuration not kept", error=str(error))
        text = f"configuration {number} is reverted: {why}; the files still say it"
        self._tell("configuration reverted", text, {"number": number, "why": why})
        return {"result": "reverted", "number": number, "text": text}

    def _take_back(self, number: int, why: str) -> None:
        if doubt := self.kept.doubt():
            self.kept.put_in_doubt(replace(doubt, why=f"the configuration in the files: {why}"))
        self.kept.take_back(number, why)

    async def _believe(self) -> None:
        with suppress(OSError):
            await asyncio.to_thread(self.kept.believe)

    def _tell(self, kind: str, text: str, fields: Mapping[str, Any]) -> None:
        self._gateway.log.info("configuration changes", part=kind, text=text)
        self._gateway.announce(NAME, kind, text, fields)
