"""Find out which of many texts occur more than once, without holding them."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from tempfile import TemporaryFile
from typing import Self

PARTS = 256
HELD_HASHES = 1 << 20


class RepeatedHashes:
    """Hashes partitioned by their value, so that those of one partition can be compared in memory."""

    def __init__(self) -> None:
        self._parts = [array("q") for _ in range(PARTS)]
        self._append = [part.append for part in self._parts]
        self._held = 0
        self._file = TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self._spills: list[list[tuple[int, int]]] = [[] for _ in range(PARTS)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, ids: Sequence[str | None]) -> None:
        """Add the hashes of some texts."""
        append = self._append
        for value in map(hash, [source_id for source_id in ids if source_id is not None]):
            append[value % PARTS](value)
        self._held += len(ids)
        if self._held > HELD_HASHES:
            self._spill()

    def _spill(self) -> None:
        for part, spills in zip(self._parts, self._spills, strict=True):
            spills.append((self._file.tell(), len(part)))
            part.tofile(self._file)
            del part[:]
        self._held = 0

    def repeated(self) -> Iterator[int]:
        """Return each hash that occurs more than once."""
        for part, spills in zip(self._parts, self._spills, strict=True):
            values = array("q", part)
            for offset, count in spills:
                self._file.seek(offset)
                values.fromfile(self._file, count)
            if len(set(values)) < len(values):
                yield from (value for value, count in Counter(values).items() if count > 1)
