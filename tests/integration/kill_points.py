"""Kill a process once at each of its steps: what counts as a step, and how it dies there."""

from __future__ import annotations

import itertools
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import requests

from airflow_provider_voucherify.core.state_store import FileStateStore

STEPS = (
    (requests.Session, "send"),
    (FileStateStore, "save"),
    (FileStateStore, "clear"),
    *((Path, name) for name in ("open", "write_bytes", "rename", "replace", "unlink")),
)
MOMENTS = ("before", "after")
LAST_STEP = 1000


class Kill(NamedTuple):
    """
    A process that was killed.

    :param number: The number of the kill, from 0.
    :param folder: What it worked in.
    :param moment: Where it was killed, such as ``before Path.replace``; None if it got to its end.
    """

    number: int
    folder: Path
    moment: str | None


def kills(folder: Path, steps: tuple[tuple[Any, str], ...], job: Callable[[Kill], None]) -> Iterator[Kill]:
    """
    Run a job again and again, killed before and after each of its steps, until it is not killed any more.

    :param folder: Gets a folder for each.
    :param steps: The functions that count as steps, each with the class or module that has it.
    :param job: What to run, in a process of its own.
    """
    for number, (step, moment) in enumerate(itertools.product(range(1, LAST_STEP), MOMENTS)):
        place = folder / f"{step}-{moment}"
        place.mkdir()
        log = place.with_suffix(".step")
        status = in_child(_killed, steps, step, moment, log, job, Kill(number, place, None))
        killed = f"{moment} {log.read_text()}" if log.exists() else None
        if status != (0 if killed is None else -signal.SIGKILL):
            raise AssertionError(f"killed {killed}, but the status is {status}")
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


def _killed(steps, step: int, moment: str, log: Path, job, kill: Kill) -> None:
    _kill_at(steps, step, moment, log)
    job(kill)


def _kill_at(steps, step: int, moment: str, log: Path) -> None:
    """Kill this process before or after a step, counted over all kinds of them, and write down which it is."""
    taken = 0
    open_file = os.open  # which may be a step itself

    def kill(name) -> None:
        os.write(open_file(log, os.O_CREAT | os.O_WRONLY), name.encode())
        os.kill(os.getpid(), signal.SIGKILL)

    def counted(original, name):
        def call(*args, **kwargs):
            nonlocal taken
            taken += 1
            is_it = taken == step
            if is_it and moment == "before":
                kill(name)
            try:
                return original(*args, **kwargs)
            finally:
                if is_it:
                    kill(name)

        return call

    for owner, name in steps:
        setattr(owner, name, counted(getattr(owner, name), f"{owner.__name__}.{name}"))
