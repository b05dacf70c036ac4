"""How long to send damaged sessions, and which."""

from __future__ import annotations

import random

import pytest


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    given: int = request.config.getoption("--fuzz-seed")
    chosen = given or random.SystemRandom().randrange(1, 1_000_000)
    print(f"--fuzz-seed {chosen}")  # noqa: T201
    return chosen


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    given: float = request.config.getoption("--fuzz-seconds")
    return given
