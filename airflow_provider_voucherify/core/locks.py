"""Exclusive access to a folder, where the file system can grant it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_voucherify.core.storage import local_path


@contextmanager
def folder_lock(folder: Any) -> Iterator[bool]:
    """
    Wait for exclusive access to a folder among all processes of this machine that use this function.

    The operating system releases the lock when the process ends, whatever the reason.

    :param folder: A folder that exists: a path of ``pathlib``, ``upath`` or Airflow's ``ObjectStoragePath``.
    :return: Whether access is exclusive. It is not on object storage, and not on file systems without locks.
    """
    local = local_path(folder)
    if local is None:
        yield False
        return
    descriptor = os.open(local, os.O_RDONLY)
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        return False
    return True
