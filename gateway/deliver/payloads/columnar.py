"""Telemetry as columnar JSON, one message per device and scan (config/schema/telemetry-1.json).

Names are encoded once per set of rows, values straight from the column: no Python object per reading.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from gateway.deliver.event import SCHEMA, dumps
from gateway.sdk import TagTable

_SETS: Final = 1024  # sets of rows whose names are kept encoded
_MS: Final = 1_000_000


class Columnar:
    """Encodes batches of one configuration.

    Args:
        gateway: id of the gateway.
        table: the tags; rows are its rows.
        doubt: gives why the clock is not to be trusted now; empty: it is.
    """

    def __init__(self, gateway: str, table: TagTable, doubt: Callable[[], str] = str) -> None:
        self._gateway, self._doubt = gateway, doubt
        self._devices = tuple(device.name for device in table.devices)
        self._names = np.array(table.names, object)
        self._encoded: OrderedDict[bytes, orjson.Fragment] = OrderedDict()

    def encode(  # noqa: PLR0913, PLR0917 - the columns of a batch and the three parts of its id
        self,
        device_id: int,
        rows: NDArray[np.int64],
        value: NDArray[np.float64],
        time: NDArray[np.int64],
        status: NDArray[np.uint32],
        other: dict[int, Any],
        epoch: str,
        sequence: int,
        received: int,
        *,
        historical: bool = False,
        served: NDArray[np.int64] | None = None,
    ) -> bytes:
        """The message for `rows` of one device.

        Args:
            device_id: place of the device in the table.
            rows: rows to report, i8[n], n ≥ 1; in `historical` ones a row may repeat.
            value: f8[n]; NaN and infinities become null.
            time: source time, i8[n], Unix ns; in the message in ms, one for all where all are equal.
            status: OPC UA StatusCode, u4[n]; in the message only where one is not Good.
            other: values that are no number, by row; they stand in their places among the values.
            epoch: the outbox's epoch.
            sequence: as reserved from the outbox for telemetry.
            received: time of receipt, Unix ns.
            historical: the readings were missed and read later.
            served: server time, i8[n], Unix ns, 0 where there is none; in the message in ms.
        """
        stamps = time.tobytes()
        same = stamps == stamps[:8] * len(time)  # a fifth of what min() and max() take
        newest: int = time.item(0) if same else int(time.max())
        message = {
            "schema": SCHEMA,
            "id": f"{self._gateway}/{epoch}/telemetry/{sequence}",
            "gateway": self._gateway,
            "epoch": epoch,
            "device": self._devices[device_id],
            "sequence": sequence,
            "time": newest // _MS,
            "received": received // _MS,
            "tags": self._names.take(rows).tolist() if historical else self._tags(rows),
            "values": _mixed(rows, value, other) if other else value,
        }
        if not same:
            message["times"] = time // _MS
        if np.count_nonzero(status):
            message["status"] = status
        if served is not None:
            message["served"] = served // _MS
        if historical:
            message["historical"] = True
        if doubt := self._doubt():
            message["clock"] = doubt
        return dumps(message)

    def _tags(self, rows: NDArray[np.int64]) -> orjson.Fragment:
        key = rows.tobytes()
        fragment = self._encoded.get(key)
        if fragment is None:
            fragment = self._encoded[key] = orjson.Fragment(orjson.dumps(self._names.take(rows).tolist()))
            if len(self._encoded) > _SETS:
                self._encoded.popitem(last=False)
        else:
            self._encoded.move_to_end(key)
        return fragment


def _mixed(rows: NDArray[np.int64], value: NDArray[np.float64], other: dict[int, Any]) -> list[Any]:
    """The values with those of `other` in their places; a row that is not reported is passed over."""
    values: list[Any] = value.tolist()
    place = {row: index for index, row in enumerate(rows.tolist())}
    for row, item in other.items():
        if row in place:
            values[place[row]] = item.hex() if isinstance(item, bytes) else item
    return values
