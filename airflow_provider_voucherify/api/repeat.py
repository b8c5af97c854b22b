"""Which requests may be sent a second time."""

from enum import Enum


class Repeat(Enum):
    """
    When a request may be sent again.

    ``SAFE``: it changes nothing the second time. ``IF_REFUSED``: only when it is certain that nothing was
    done: a connection that was never made, a 429.
    """

    SAFE = "safe"
    IF_REFUSED = "if refused"
