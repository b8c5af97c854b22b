"""The faults that an emulator knows, each with its parameters: what can go wrong between a client and Voucherify."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from airflow_provider_voucherify.emulator.limits import LimitType

Share = Annotated[float, Meta(ge=0, le=1)]


def _snake_case(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


class Fault(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="name", tag=_snake_case):
    """Base class of all faults: at which of its events a fault happens.

    :param times: How often it happens; 0 for as often as it can.
    :param after: Events that pass before the first.
    :param every: Of the events then, only every n-th, starting with the first.
    :param share: Share of those that is hit, at random.
    :param seed: Seed of the random choice: the same seed hits the same events.
    """

    times: Annotated[int, Meta(ge=0)] = 0
    after: Annotated[int, Meta(ge=0)] = 0
    every: Annotated[int, Meta(ge=1)] = 1
    share: Share = 1.0
    seed: int = 0


class RequestFault(Fault, kw_only=True, frozen=True):
    """A fault that happens to requests.

    :param route: Method and path template as ``GET /emulator/calls`` names them; every route when left out.
    """

    route: str | None = None


class ResponseLost(RequestFault, kw_only=True, frozen=True):
    """The work is done, and the connection closed without a response."""

    times: Annotated[int, Meta(ge=0)] = 1


class Late(RequestFault, kw_only=True, frozen=True):
    """A request that is carried out after its connection was dropped: a client that searches at once finds nothing.

    :param seconds: Real seconds between the drop and the work.
    """

    times: Annotated[int, Meta(ge=0)] = 1
    seconds: Annotated[float, Meta(ge=0)] = 10.0


class Locked(RequestFault, kw_only=True, frozen=True):
    """A 423 (documented) before anything was done: the resource is locked for now."""

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

    :param retry_after: Seconds in ``Retry-After``.
    :param type: What ``X-Rate-Limit-Type`` says.
    """

    times: Annotated[int, Meta(ge=0)] = 3
    retry_after: Annotated[int, Meta(ge=0)] = 1
    type: LimitType = "api_calls"


class CycleSpent(RequestFault, kw_only=True, frozen=True):
    """A 429 because the billing cycle's calls are used up.

    :param retry_after: Seconds to the next cycle.
    """

    retry_after: Annotated[int, Meta(ge=0)] = 864_000


class PlanExceeded(RequestFault, kw_only=True, frozen=True):
    """A 402 because the plan does not allow it."""


class SubscriptionEnded(RequestFault, kw_only=True, frozen=True):
    """A 429 because the subscription has ended (documented), without a time to try again."""


class Slow(RequestFault, kw_only=True, frozen=True):
    """A slow response.

    :param seconds: Real seconds before the work begins.
    """

    seconds: Annotated[float, Meta(ge=0)] = 1.0


class StillRunning(RequestFault, kw_only=True, frozen=True):
    """Async actions or exports that are shown as IN_PROGRESS, whatever their status; an event is a response with some.

    With ``times=0`` they never end; with ``times=1`` they have ended at the second request, however fast the machine.
    """


class VisibleLate(RequestFault, kw_only=True, frozen=True):
    """Async actions or exports that cannot be read yet; an event is a response that would show some that are young.

    By id they are a 404, from a list they are left out.

    :param seconds: Real seconds since its creation, for which one is young.
    """

    seconds: Annotated[float, Meta(ge=0)] = 1.0


class EmptyResult(RequestFault, kw_only=True, frozen=True):
    """Async actions or exports that are DONE without a readable result; an event is a response that shows some.

    :param result: What stands in its place: nothing, null, an empty object, or a text.
    """

    result: Literal["missing", "null", "object", "text"] = "missing"


class Drip(RequestFault, kw_only=True, frozen=True):
    """A response whose body comes a few bytes at a time.

    :param seconds: Real seconds before each of these.
    :param bytes: How many come together.
    """

    times: Annotated[int, Meta(ge=0)] = 1
    seconds: Annotated[float, Meta(ge=0)] = 0.1
    bytes: Annotated[int, Meta(ge=1)] = 1


class Bomb(RequestFault, kw_only=True, frozen=True):
    """A huge body of spaces in place of the response; the work was done.

    :param bytes: Its size, decompressed.
    :param encoding: As it is, or compressed with gzip to a thousandth, whatever the client accepts.
    :param status: HTTP status.
    """

    times: Annotated[int, Meta(ge=0)] = 1
    bytes: Annotated[int, Meta(ge=1)] = 1_000_000_000
    encoding: Literal["identity", "gzip"] = "gzip"
    status: Annotated[int, Meta(ge=200, le=599)] = 200


class Redirect(RequestFault, kw_only=True, frozen=True):
    """A redirect to another origin.

    :param to: Origin, such as ``http://127.0.0.1:9``; the path is kept.
    """

    to: Annotated[str, Meta(pattern="^https?://")]
    status: Literal[301, 302, 303, 307, 308] = 307


class BodyLimit(RequestFault, kw_only=True, frozen=True):
    """A 413 for bodies larger than so many bytes; an event is such a body."""

    bytes: Annotated[int, Meta(ge=0)] = 1_000_000


class RejectedOrder(RequestFault, kw_only=True, frozen=True):
    """A 400 for an import that contains a certain order; it does not say which. An event is such an import.

    :param source_id: Pattern of source ids (``*``, ``?``, ``[...]``).
    :param details: What the 400 says.
    """

    source_id: str
    details: str = "Property .items[0].initial_quantity cannot be lower than 1"


class ForeignImport(RequestFault, kw_only=True, frozen=True):
    """Another client's import of as many orders; an event is an import that arrives, whatever becomes of it.

    Its orders have source ids that begin with ``foreign-``; it is not among the ``imports`` of ``GET /emulator/calls``.

    :param seconds: Real seconds after the event.
    """

    times: Annotated[int, Meta(ge=0)] = 1
    seconds: Annotated[float, Meta(ge=0)] = 0.0


class LoweredLimit(RequestFault, kw_only=True, frozen=True):
    """Fewer orders an import than documented ("we might change it"); an event is an import of more.

    :param limit: Orders in an import.
    """

    limit: Annotated[int, Meta(ge=0)]


class FailedRows(Fault, kw_only=True, frozen=True):
    """Orders of an accepted import that fail; an event is such an order.

    :param source_id: Pattern of source ids; every order, also one without, when left out.
    :param reason: Why.
    :param null_source_id: Whether the result hides whose failure it is, as the example does.
    """

    source_id: str | None = None
    reason: str = "Internal error"
    null_source_id: bool = False


class ActionFailed(Fault, kw_only=True, frozen=True):
    """An import that ends as FAILED; an event is an import that runs.

    :param loaded: Share of its orders that is loaded before it fails.
    :param message: Message of its result.
    """

    times: Annotated[int, Meta(ge=0)] = 1
    loaded: Share = 0.0
    message: str = "Internal error"


class ExportError(Fault, kw_only=True, frozen=True):
    """An export that ends as ERROR; an event is an export that runs."""

    times: Annotated[int, Meta(ge=0)] = 1


class TruncatedDownload(Fault, kw_only=True, frozen=True):
    """A download whose connection ends early.

    :param bytes: Bytes of the body that are sent.
    :param framing: How the client could know: a ``Content-Length``, chunks without the last, or (``close``) not at all.
    """

    times: Annotated[int, Meta(ge=0)] = 1
    bytes: Annotated[int, Meta(ge=0)] = 1000
    framing: Literal["length", "chunked", "close"] = "length"


class ExpiredToken(RequestFault, kw_only=True, frozen=True):
    """A 401 for a token that has expired; an event is a download, or a call with an OAuth token."""

    times: Annotated[int, Meta(ge=0)] = 1


AnyFault = (
    ResponseLost
    | ServerError
    | ServerErrorAfter
    | Late
    | Locked
    | RateLimited
    | CycleSpent
    | PlanExceeded
    | SubscriptionEnded
    | Slow
    | StillRunning
    | VisibleLate
    | EmptyResult
    | Drip
    | Bomb
    | Redirect
    | BodyLimit
    | RejectedOrder
    | ForeignImport
    | LoweredLimit
    | FailedRows
    | ActionFailed
    | ExportError
    | TruncatedDownload
    | ExpiredToken
)
FAULTS: dict[str, type[Fault]] = {_snake_case(kind.__name__): kind for kind in get_args(AnyFault)}
