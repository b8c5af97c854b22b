"""The journal of a publication, from which the next one cleans up: its owner, and the files that it may leave."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import socket
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_voucherify.exceptions import ConcurrentWriterError

TEMPORARY = re.compile(r"\..+\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}\.tmp")
ABANDONED_SECONDS = 24 * 3600.0
HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]

log = logging.getLogger(__name__)


class Entry(msgspec.Struct, kw_only=True):
    """
    The content of a journal.

    :param owner: Host and process of the publication, for errors.
    :param token: Identifies the publication.
    :param started_at: When it began to move files.
    :param files: What it may have written or left, relative to their folder.
    """

    owner: str
    token: str
    started_at: datetime
    files: list[str]


class Journal:
    """
    The journal of one publication.

    :param path: The file.
    :param folder: The folder of the files that it names; by default its own.
    """

    def __init__(self, path: Any, folder: Any = None) -> None:
        self._path = path
        self._folder = path.parent if folder is None else folder
        self._token = secrets.token_hex(8)

    def open(self, files: Iterable[Any]) -> None:
        """
        Take the place over, and name the files.

        :param files: What this publication writes, and what earlier ones left.
        """
        entry = Entry(
            owner=f"{socket.gethostname()}, process {os.getpid()}",
            token=self._token,
            started_at=datetime.now(UTC),
            files=sorted({relative_name(file, self._folder) for file in files}),
        )
        self._path.write_bytes(msgspec.json.encode(entry))

    def check(self) -> None:
        """
        Check that no other publication took the place over.

        :raises ConcurrentWriterError: if one did, naming it.
        """
        entry = read_entry(self._path)
        if entry is None or entry.token != self._token:
            other = "another export" if entry is None else f"another export ({entry.owner}, since {entry.started_at})"
            raise ConcurrentWriterError(
                f"{self._path.parent}: {other} publishes to the same place. This one stops; give each its own "
                "output_path, or let a single task write there."
            )

    def close(self) -> None:
        """Remove the journal: all is published."""
        self.check()
        self._path.unlink(missing_ok=True)


def read_entry(path: Any) -> Entry | None:
    """
    Read a journal.

    :param path: The file.
    :return: Its content; None if there is no journal, or something else under its name.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Entry)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        log.warning("%s is not a journal of a publication (%s) and is ignored.", path, error)
        return None


def relative_name(path: Any, folder: Any) -> str:
    """
    Return the name of a file relative to a folder that contains it.

    :param path: The file.
    :param folder: The folder.
    """
    return str(path).removeprefix(str(folder)).lstrip("/")


def temporary_name(name: str) -> str:
    """
    Name the temporary file of a file that is being written. It begins with a dot and says whose it is.

    :param name: The final name.
    """
    return f".{name}.{HOST}-{os.getpid()}-{secrets.token_hex(4)}.tmp"


def sweep(folder: Any) -> None:
    """
    Remove the temporary files of processes that were killed: of this host, or those that are a day old.

    :param folder: The folder.
    """
    for path in folder.iterdir():
        owner = TEMPORARY.fullmatch(path.name)
        if owner and (
            not _runs(int(owner["pid"])) if owner["host"] == HOST else time.time() - _modified(path) > ABANDONED_SECONDS
        ):
            log.info("Removing %s, which a killed process left.", path)
            path.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _modified(path: Any) -> float:
    try:
        return float(path.stat().st_mtime)
    except FileNotFoundError:
        return time.time()
