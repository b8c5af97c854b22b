"""Faults by name: what can go wrong between a client and Voucherify, made to happen when asked for."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct

from airflow_provider_voucherify.emulator.limits import LimitType

Share = Annotated[float, Meta(ge=0, le=1)]


def _snake_case(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


class Fault(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="name", tag=_snake_case):
    """What all faults have in common: when they happen among the events they look at.

    :param times: how often it happens; 0 for as often as it can.
    :param after: events that pass before the first.
    :param every: of the events then, only each so-many-th, beginning with the first.
    :param share: of those, the part hit by chance.
    :param seed: seed of that chance: the same seed, the same events hit.
    """

    times: Annotated[int, Meta(ge=0)] = 0
    after: Annotated[int, Meta(ge=0)] = 0
    every: Annotated[int, Meta(ge=1)] = 1
    share: Share = 1.0
    seed: int = 0


class RequestFault(Fault, kw_only=True, frozen=True):
    """A fault that happens to requests.

    :param route: method and path template as ``GET /emulator/calls`` names them; every route when left out.
    """

    route: str | None = None


class AnswerLost(RequestFault, kw_only=True, frozen=True):
    """The work is done, and the connection closed without an answer."""

    times: Annotated[int, Meta(ge=0)] = 1


class ServerError(RequestFault, kw_only=True, frozen=True):
    """A 5xx before anything was done."""

    times: Annotated[int, Meta(ge=0)] = 1
    status: Annotated[int, Meta(ge=500, le=599)] = 500


class ServerErrorAfter(RequestFault, kw_only=True, frozen=True):
    """A 5xx after the work was done."""

    times: Annotated[int, Meta(ge=0)] = 1
    status: Annotated[int, Meta(ge=500, le=599)] = 502


class RateLimited(RequestFault, kw_only=True, frozen=True):
    """A 429 though the quota is not used up.

    :param retry_after: seconds in ``Retry-After``.
    :param type: what ``X-Rate-Limit-Type`` says.
    """

    times: Annotated[int, Meta(ge=0)] = 3
    retry_after: Annotated[int, Meta(ge=0)] = 1
    type: LimitType = "api_calls"


class CycleSpent(RequestFault, kw_only=True, frozen=True):
    """A 429 because the billing cycle's calls are used up.

    :param retry_after: seconds to the next cycle.
    """

    retry_after: Annotated[int, Meta(ge=0)] = 864_000


class PlanExceeded(RequestFault, kw_only=True, frozen=True):
    """A 402 because the plan does not allow it."""


class SubscriptionEnded(RequestFault, kw_only=True, frozen=True):
    """A 429 because the subscription has ended (documented), without a time to try again."""


class Slow(RequestFault, kw_only=True, frozen=True):
    """An answer that takes its time.

    :param seconds: real seconds before the work begins.
    """

    seconds: Annotated[float, Meta(ge=0)] = 1.0


class StillRunning(RequestFault, kw_only=True, frozen=True):
    """Async actions or exports that are said to run on, whatever became of them; an event is an answer that shows some.

    As often as it can it is one that never ends; once, it has ended at the second look, however fast the machine is.
    """


class Redirect(RequestFault, kw_only=True, frozen=True):
    """An answer that sends the client elsewhere.

    :param to: origin, such as ``http://127.0.0.1:9``; the path is kept.
    """

    to: Annotated[str, Meta(pattern="^https?://")]
    status: Literal[301, 302, 303, 307, 308] = 307


class BodyLimit(RequestFault, kw_only=True, frozen=True):
    """A 413 for bodies larger than so many bytes; an event is such a body."""

    bytes: Annotated[int, Meta(ge=0)] = 1_000_000


class RejectedOrder(RequestFault, kw_only=True, frozen=True):
    """A 400 for an import that contains a certain order; it does not say which. An event is such an import.

    :param source_id: pattern of source ids (``*``, ``?``, ``[...]``).
    :param details: what the 400 says.
    """

    source_id: str
    details: str = "Property .items[0].initial_quantity cannot be lower than 1"


class LoweredLimit(RequestFault, kw_only=True, frozen=True):
    """Fewer orders an import than documented ("we might change it"); an event is an import of more.

    :param limit: orders in an import.
    """

    limit: Annotated[int, Meta(ge=0)]


class FailedRows(Fault, kw_only=True, frozen=True):
    """Orders of an accepted import that fail; an event is such an order.

    :param source_id: pattern of source ids; every order, also one without, when left out.
    :param reason: why.
    :param null_source_id: whether the result hides whose failure it is, as the example does.
    """

    source_id: str | None = None
    reason: str = "Internal error"
    null_source_id: bool = False


class ActionFailed(Fault, kw_only=True, frozen=True):
    """An import that ends as FAILED; an event is an import that is worked on.

    :param loaded: part of its orders that is loaded before it fails.
    :param message: message of its result.
    """

    times: Annotated[int, Meta(ge=0)] = 1
    loaded: Share = 0.0
    message: str = "Internal error"


class ExportError(Fault, kw_only=True, frozen=True):
    """An export that ends as ERROR; an event is an export that is worked on."""

    times: Annotated[int, Meta(ge=0)] = 1


class TruncatedDownload(Fault, kw_only=True, frozen=True):
    """A download whose connection ends early.

    :param bytes: bytes of the body that are sent.
    :param framing: how the client could know: a ``Content-Length``, chunks without the last, or (``close``) not at all.
    """

    times: Annotated[int, Meta(ge=0)] = 1
    bytes: Annotated[int, Meta(ge=0)] = 1000
    framing: Literal["length", "chunked", "close"] = "length"


class ExpiredToken(RequestFault, kw_only=True, frozen=True):
    """A 401 for a token that has expired; an event is a download, or a call with an OAuth token."""

    times: Annotated[int, Meta(ge=0)] = 1


AnyFault = (
    AnswerLost
    | ServerError
    | ServerErrorAfter
    | RateLimited
    | CycleSpent
    | PlanExceeded
    | SubscriptionEnded
    | Slow
    | StillRunning
    | Redirect
    | BodyLimit
    | RejectedOrder
    | LoweredLimit
    | FailedRows
    | ActionFailed
    | ExportError
    | TruncatedDownload
    | ExpiredToken
)
FAULTS: dict[str, type[Fault]] = {_snake_case(kind.__name__): kind for kind in get_args(AnyFault)}
F = TypeVar("F", bound=Fault)


def make_fault(name: str, parameters: dict[str, Any]) -> Fault:
    """Check the name and parameters of a fault.

    :param name: one of :data:`FAULTS`.
    :param parameters: values by name; text is converted.
    :raises ValueError: the fault or a parameter is unknown, missing or out of its range.
    :return: the fault.
    """
    kind = FAULTS.get(name)
    if kind is None:
        raise ValueError(f"Unknown fault {name!r}; there are {', '.join(FAULTS)}")
    known = kind.__struct_fields__
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise ValueError(f"Fault {name} has no parameter {unknown[0]!r}; it has {', '.join(known)}")
    try:
        return msgspec.convert(parameters, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"Fault {name}: {error}") from None


def parse_fault(text: str) -> Fault:
    """Read a fault as the command line gives it.

    :param text: ``NAME`` or ``NAME:key=value,key=value``.
    :raises ValueError: it is no such text, or :func:`make_fault` refuses it.
    :return: the fault.
    """
    name, _, rest = text.partition(":")
    parameters = {}
    for part in rest.split(",") if rest else []:
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"Fault {name}: {part!r} is not key=value")
        parameters[key.strip()] = value
    return make_fault(name.strip(), parameters)


class _Armed(Struct):
    fault: Fault
    chance: random.Random
    seen: int = 0
    fired: int = 0

    def next_fires(self) -> bool:
        fault = self.fault
        if fault.times and self.fired >= fault.times:
            return False
        self.seen += 1
        due = self.seen > fault.after and (self.seen - fault.after - 1) % fault.every == 0
        fires = due and (fault.share >= 1 or self.chance.random() < fault.share)
        self.fired += fires
        return fires


class Faults:
    """The faults of an emulator. Which event is hit depends on their order alone, not on time.

    :param routes: labels of the routes there are, to check ``route`` against.
    """

    def __init__(self, routes: Sequence[str]) -> None:
        self._routes = routes
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(self, fault: Fault) -> None:
        """Arm a fault beside those there are.

        :param fault: the fault.
        :raises ValueError: its route does not exist.
        """
        route = getattr(fault, "route", None)
        if route is not None and route not in self._routes:
            raise ValueError(f"Unknown route {route!r}; there are {', '.join(self._routes)}")
        with self._lock:
            self._armed.append(_Armed(fault, random.Random(fault.seed)))  # noqa: S311 (repeatable on purpose)

    def clear(self) -> None:
        """Disarm all faults."""
        with self._lock:
            self._armed.clear()

    def report(self) -> list[dict[str, Any]]:
        """Return the faults with their parameters, how many events they ``seen`` and how often they ``fired``."""
        with self._lock:
            return [{**msgspec.to_builtins(a.fault), "seen": a.seen, "fired": a.fired} for a in self._armed]

    def any(self, kind: type[Fault]) -> bool:
        """Tell whether a fault of a kind is armed, so that its events need be looked at.

        :param kind: class of the fault.
        """
        with self._lock:
            return any(isinstance(armed.fault, kind) for armed in self._armed)

    def fires(self, kind: type[F], route: str | None = None, concerns: Callable[[F], bool] | None = None) -> F | None:
        """Show an event to the faults of a kind.

        :param kind: class of the fault.
        :param route: label of the route, for faults that happen to requests.
        :param concerns: whether the event is one for a fault with its parameters.
        :return: the first fault that happens to it, or None.
        """
        with self._lock:
            for armed in self._armed:
                fault = armed.fault
                if not isinstance(fault, kind):
                    continue
                wanted = getattr(fault, "route", None)
                if wanted is not None and wanted != route:
                    continue
                if (concerns is None or concerns(fault)) and armed.next_fires():
                    return fault
        return None


def matches(pattern: str | None, source_id: str | None) -> bool:
    """Tell whether a source id is one that a fault is meant for.

    :param pattern: shell pattern, or None for every order.
    :param source_id: source id of the order, or None.
    """
    return pattern is None or (source_id is not None and fnmatchcase(source_id, pattern))
