"""
Kill a process once at each of its steps: what counts as a step, and how it dies there.

It is killed after a step alone, as the moment before the next one finds the same files, state and responses.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import requests

import airflow_provider_voucherify.order_export.download  # noqa: F401 - jobs load it late: each child would again
from airflow_provider_voucherify.core.state_store import FileStateStore
from airflow_provider_voucherify.reporting import html_report

STEPS = (
    (requests.Session, "send"),
    (FileStateStore, "save"),
    (FileStateStore, "clear"),
    *((Path, name) for name in ("open", "write_bytes", "rename", "replace", "unlink")),
)
LAST_STEP = 1000


class Kill(NamedTuple):
    """
    A process that was killed.

    :param number: The number of the kill, from 0.
    :param folder: What it worked in.
    :param step: After which step it was killed, such as ``Path.replace``; None if it got to its end.
    """

    number: int
    folder: Path
    step: str | None


def kills(folder: Path, steps: tuple[tuple[Any, str], ...], job: Callable[[Kill], None]) -> Iterator[Kill]:
    """
    Run a job again and again, killed after each of its steps, until it is not killed any more.

    :param folder: Gets a folder for each.
    :param steps: The functions that count as steps, each with the class or module that has it.
    :param job: What to run, in a process of its own.
    """
    html_report.TEMPLATES.get_template(html_report.LOAD_TEMPLATE)  # compiled here, and not by each child
    for number in range(LAST_STEP):
        place = folder / str(number)
        place.mkdir()
        log = place.with_suffix(".step")
        status = in_child(_killed, steps, log, job, Kill(number, place, None))
        killed = log.read_text() if log.exists() else None
        if status != (0 if killed is None else -signal.SIGKILL):
            raise AssertionError(f"killed after {killed}, but the status is {status}")
        yield Kill(number, place, killed)
        if killed is None:
            return


def in_child(function: Callable[..., None], *arguments: Any) -> int:
    """Run a function in a process of its own, and return its status: Arrow's threads stay there."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        function(*arguments)
    except Exception:  # noqa: BLE001 - shown, and the status says it
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _killed(steps, log: Path, job, kill: Kill) -> None:
    _kill_after(steps, kill.number, log)
    job(kill)


def _kill_after(steps, last: int, log: Path) -> None:
    """Kill this process after a step, counted from 0 over all kinds of them, and write down which it is."""
    taken = 0
    open_file = os.open  # which may be a step itself

    def counted(original, name):
        def call(*args, **kwargs):
            nonlocal taken
            is_last = taken == last
            taken += 1
            try:
                return original(*args, **kwargs)
            finally:
                if is_last:
                    os.write(open_file(log, os.O_CREAT | os.O_WRONLY), name.encode())
                    os.kill(os.getpid(), signal.SIGKILL)

        return call

    for owner, name in steps:
        setattr(owner, name, counted(getattr(owner, name), f"{owner.__name__}.{name}"))
