from __future__ import annotations

from ipaddress import ip_network

import pytest

from tests.house import House


@pytest.fixture
def house() -> House:
    return House(trusted=(ip_network("192.0.2.0/24"),))
