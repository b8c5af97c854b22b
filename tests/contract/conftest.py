from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

LONG_SLEEP = 100.0


class LinkClock:
    """Lets the links of the emulator age without waiting: sleeps that only they need pass at once."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def sleep(self, seconds: float) -> None:
        if seconds >= LONG_SLEEP:
            self.ahead += seconds
        else:
            time.sleep(seconds)


DIFFERENCES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="module")
def record_differences(pytestconfig):
    """Record what differs in a real project, to be told at the end."""

    def record(differences: list[str]) -> None:
        pytestconfig.stash.setdefault(DIFFERENCES, []).extend(differences)

    return record


def pytest_terminal_summary(terminalreporter, config):
    differences = config.stash.get(DIFFERENCES, None)
    if differences is not None:
        terminalreporter.section("what differs in the real project")
        terminalreporter.write_line("\n".join(differences) or "nothing")


@pytest.fixture
def clock(monkeypatch) -> LinkClock:
    made = LinkClock()
    monkeypatch.setattr("airflow_provider_voucherify.emulator.downloads.time", SimpleNamespace(time=made.time))
    return made
