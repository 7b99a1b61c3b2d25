"""The contract, with two units and all four tables on one connection."""

from pathlib import Path

import pytest

from gateway.sdk.testing import AdapterContract, Rig, connection
from gateway_modbus.adapter import ModbusAdapter
from gateway_modbus.config import ModbusDevice
from tests.plugins.gateway_modbus.device import FakeDevice


class TestModbus(AdapterContract):
    @pytest.fixture
    async def rig(self, device: FakeDevice, tmp_path: Path) -> Rig:
        one = {
            "flow": {"at": "holding:100", "type": "float32", "order": "CDAB"},
            "count": {"at": "input:5", "type": "uint32", "every": "50ms"},
            "on": {"at": "coil:3"},
            "open": {"at": "discrete:4"},
        }
        two = {"level": {"at": 40001}, "speed": {"at": "holding:900", "type": "int16"}}
        base = {"adapter": "modbus", "every": "100ms", "timeout": "2s"}
        configs = [
            ModbusDevice.model_validate(
                base | {"device": f"d{unit}", "connect": f"tcp://127.0.0.1:{device.port}?unit={unit}", "tags": tags}
            )
            for unit, tags in ((1, one), (2, two))
        ]
        return Rig(ModbusAdapter, connection(*configs, phase=0.3), tmp_path, device.start, device.stop)
