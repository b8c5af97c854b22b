"""Admin routes for the tools of this machine alone: no other machine, and no web page that a browser here shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Awaitable[Response]]


def local_only(handler: Handler) -> Handler:
    """Refuse requests that did not come from a tool on this machine.

    A web page can make a browser send requests to localhost: across sites (``Origin`` and ``Sec-Fetch-Site`` give it
    away, and so does a form's media type) or through a name of its own that resolves to 127.0.0.1 (``Host`` does).

    :param handler: Handler of an admin route.
    :return: A handler that responds with 403 or 415 to others.
    """

    async def guarded(request: Request) -> Response:
        if (reason := _refusal(request)) is not None:
            return _refused(403, f"Admin routes serve tools on the emulator's own machine alone: {reason}")
        media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if request.method != "GET" and media_type != "application/json":
            return _refused(415, f"Content-Type should be application/json, got {media_type!r}")
        return await handler(request)

    return guarded


def _refusal(request: Request) -> str | None:
    client = request.client.host if request.client else ""
    own = str((request.scope.get("server") or ("",))[0])
    if not _is_loopback(client) and client != own:
        return f"this request comes from {client or 'an unknown address'}"
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    if not _names_this_machine(host, own):
        return f"Host {host!r} is not a name of this machine"
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return f"Origin {origin!r} is another site"
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "a browser sent it for another site"
    return None


def _names_this_machine(host: str, own: str) -> bool:
    return host == "localhost" or host == own or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(status: int, message: str) -> Response:
    return Response(msgspec.json.encode({"code": status, "message": message}), status, media_type="application/json")
