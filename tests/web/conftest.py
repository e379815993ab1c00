"""A service of its own for each test, and somebody with an HTTP client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from .story import PINS, QUICK, Person, Service, centre_settings


@pytest.fixture(autouse=True)
def quick_argon2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty starts of a service need no 64 MiB each."""
    monkeypatch.setattr("ess_pbx.settings.pins._HASHER", QUICK)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    service = Service(centre_settings(tmp_path / "s"))
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
async def anyone(service: Service) -> AsyncIterator[Person]:
    """Not signed in."""
    async with aiohttp.ClientSession() as session:
        yield Person(session, service.url)


@pytest.fixture
async def operator(anyone: Person) -> Person:
    return await anyone.signs_in("1001", PINS["1001"])


@pytest.fixture
async def supervisor(anyone: Person) -> Person:
    return await anyone.signs_in("1003", PINS["1003"])


@pytest.fixture
async def admin(service: Service, anyone: Person) -> Person:
    return await anyone.signs_in("admin", service.admin_password)
