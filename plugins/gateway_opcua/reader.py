"""Reads scan groups in large calls: one batch per group and scan, whatever single nodes say."""

from typing import Final

from gateway.sdk import Batch, DisconnectedError, Group, quality
from gateway_opcua import status
from gateway_opcua.codec import ReadPlan, ServiceFaultError
from gateway_opcua.columns import Columns
from gateway_opcua.places import Places
from gateway_opcua.session import Session
from gateway_opcua.site import Site
from gateway_opcua.wire import CodecError

_MAX_FAILURES: Final = 3  # calls in a row that gave nothing: then the session is no good
_LOOK_UP: Final = 30.0  # s until nodes that were not found are looked for again; doubled each time
_MAX_LOOK_UP: Final = 600.0


class Reader:
    """Reads the groups of one session; its plans last as long as the session.

    Attributes:
        places: where the nodes of the tags are.
    """

    def __init__(self, session: Session, site: Site) -> None:
        self.places = Places(session, site.nodes)
        self._session, self._host = session, site.host
        self._counters, self._suspects, self._site = site.counters, site.suspects, site
        self._plans: dict[int, list[ReadPlan]] = {}
        self._look_ups: dict[int, tuple[float, float]] = {}  # of groups with nodes not found: when next, and the wait
        self._failures = 0

    async def read(self, group: Group) -> Batch:
        """One scan: bad as a whole when the call fails, and DisconnectedError when it fails again and again."""
        try:
            columns = await self.fetch(group)
        except TimeoutError:
            return self._failed(group, quality.BAD_TIMEOUT, "read_timeouts_total")
        except ServiceFaultError as fault:
            return self._failed(group, fault.code, "service_faults_total")
        except CodecError:
            return self._failed(group, quality.BAD_DECODING_ERROR, "decode_errors_total")
        self._failures = 0
        return self.batch(group, columns)

    async def fetch(self, group: Group) -> Columns:
        """The columns of one scan. Raises as `Session.read`."""
        await self._look_up(group)
        while True:
            plans = self._plans.get(group.id) or self._plan(group)
            walks = sum(plan.walks for plan in plans)
            try:
                columns = Columns.join([await self._session.read(plan) for plan in plans])
            except ServiceFaultError as fault:
                if not self._ask_for_less(fault.code):
                    raise
            else:
                self._counters["layouts_learnt_total"] += sum(plan.walks for plan in plans) - walks
                return columns

    def _ask_for_less(self, code: int) -> bool:
        """Halve the calls when the server refuses them for their size; not every server tells its limit beforehand."""
        session = self._session
        if code not in status.ASK_FOR_LESS or session.nodes_per_read == 1:
            return False
        session.nodes_per_read //= 2
        self._plans.clear()
        return True

    def batch(self, group: Group, columns: Columns) -> Batch:
        """The columns of a scan as a batch received now."""
        received, first = self._host.clock.wall_ns(), group.rows.start
        self.places.name_reasons(group.rows, columns.status)
        wrong = self._suspects.look_at(group.rows, columns.status)
        if len(wrong) and self.places.forget((wrong + first).tolist()):
            self._look_ups.setdefault(group.id, (self._host.clock.monotonic() + _LOOK_UP, _LOOK_UP))
        structures = self._session.structures
        return self._site.batch(structures, group.device, group.rows, columns, received, group=group.id)

    def _plan(self, group: Group) -> list[ReadPlan]:
        nodes = [self.places.binary(tag.row) for tag in group.tags]
        step = self._session.nodes_per_read
        times, starts = self._site.times([group.device]), range(0, len(nodes), step)
        plans = self._plans[group.id] = [ReadPlan(nodes[i : i + step], times=times) for i in starts]
        return plans

    async def _look_up(self, group: Group) -> None:
        """Find the nodes before the first scan; those not found are looked for again, ever more seldom."""
        now = self._host.clock.monotonic()
        due, wait = self._look_ups.get(group.id, (now, _LOOK_UP / 2))
        if group.id in self._plans and (group.id not in self._look_ups or now < due):
            return
        rows = range(group.rows.start, group.rows.stop)
        if self.places.lacks(rows):
            wait = min(2 * wait, _MAX_LOOK_UP)
            self._look_ups[group.id] = now + wait, wait
            await self.places.renew(rows)
            self._plans.pop(group.id, None)
        if not self.places.lacks(rows):
            self._look_ups.pop(group.id, None)

    def _failed(self, group: Group, code: int, counter: str) -> Batch:
        self._counters[counter] += 1
        self._failures += 1
        if self._failures >= _MAX_FAILURES:
            raise DisconnectedError(f"{self._session.url}: {_MAX_FAILURES} reads in a row failed ({status.name(code)})")
        return Batch.failed(group, code, self._host.clock.wall_ns())
