from collections.abc import AsyncIterator

import pytest

from tests.plugins.gateway_modbus.device import FakeDevice


@pytest.fixture
async def device() -> AsyncIterator[FakeDevice]:
    device = FakeDevice()
    await device.start()
    yield device
    await device.stop()
