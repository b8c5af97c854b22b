"""The names of fields, and what to say of a name that is none."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

METADATA = "metadata"
METADATA_PREFIX = "metadata."
METADATA_X = "metadata.X"  # how the API's documentation writes the field of any single key


def is_metadata_key(name: str) -> bool:
    """Tell whether a field is a single key of the metadata."""
    return name.startswith(METADATA_PREFIX) and name != METADATA_PREFIX


def hint(name: object, allowed: Sequence[str]) -> str:
    """
    Say what a name could have been.

    :param name: A name that is not allowed.
    :param allowed: Those that are.
    """
    close = difflib.get_close_matches(str(name), allowed, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else "."
    return f"{guess} Allowed: {', '.join(allowed)}."
