"""Convert a file and exit at once, in many processes side by side: ``python -m … how runs``. Prints their statuses."""

from __future__ import annotations

import collections
import os
import sys

from tests.unit.order_export.files import read_and_release

SIDE_BY_SIDE = 8


def main(how: str, runs: int) -> None:
    statuses: collections.Counter[int] = collections.Counter()
    for run in range(runs):
        if run >= SIDE_BY_SIDE:
            statuses[os.wait()[1]] += 1
        if not os.fork():
            read_and_release(how)
            return
    for _ in range(min(runs, SIDE_BY_SIDE)):
        statuses[os.wait()[1]] += 1
    print(dict(statuses))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
