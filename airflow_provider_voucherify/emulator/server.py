"""The emulator as a running server: two listeners, the API and the download host, in a thread of this process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from airflow_provider_voucherify.emulator.app import api_app, download_app
from airflow_provider_voucherify.emulator.async_actions import SeededAction
from airflow_provider_voucherify.emulator.fault_types import Fault
from airflow_provider_voucherify.emulator.faults import make_fault, parse_fault
from airflow_provider_voucherify.emulator.like import Likeness, likeness_of
from airflow_provider_voucherify.emulator.options import EmulatorOptions, make_options
from airflow_provider_voucherify.emulator.project import ExportRows, Project
from airflow_provider_voucherify.emulator.request import ApiRequest
from airflow_provider_voucherify.emulator.responses import TRANSPORT
from airflow_provider_voucherify.emulator.routes import ROUTE_LABELS

_START_SECONDS = 30.0
_STOP_SECONDS = 30.0
_BACKLOG = 512
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104


class Emulator:
    """A local Voucherify, for as long as its ``with`` block lasts::

        with Emulator(plan="business", speed=100, faults=["response_lost:route=POST /v1/orders/import"]) as emulator:
            client = connect(emulator.url, emulator.app_id, emulator.app_token)

    :param faults: Faults armed from the start: objects, or text as on the command line.
    :param export_rows: Rows of exports other than of orders, by kind: ``{"voucher": [{"code": "A"}]}``.
    :param like: Facts of a project that it behaves like, or the file that ``voucherify-probe --json`` wrote.
    :param options: Values of :class:`EmulatorOptions` by name; they override those of ``like``.
    :raises ValueError: if an option, a fault or the facts are wrong.
    """

    def __init__(
        self,
        *,
        faults: Iterable[Fault | str] = (),
        export_rows: ExportRows | None = None,
        like: Mapping[str, Any] | str | Path | None = None,
        **options: Any,
    ) -> None:
        likeness = likeness_of(like) if like is not None else Likeness({}, [])
        self.options: EmulatorOptions = make_options({**likeness.options, **options})
        self._export_rows = export_rows or {}
        self._faults = [
            parse_fault(fault) if isinstance(fault, str) else fault for fault in (*likeness.faults, *faults)
        ]
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._servers: list[uvicorn.Server] = []
        self._ports = (0, 0)
        self._project: Project | None = None

    def __enter__(self) -> Self:
        """Start it.

        :raises OSError: if a port is taken.
        :raises ValueError: if the database cannot be used, a fault names an unknown route, or a row an unknown field.
        """
        project = Project(self.options, self._faults, ROUTE_LABELS, self._file_url, self._export_rows)
        sockets: list[socket.socket] = []
        try:
            sockets.append(self._listen(self.options.port))
            sockets.append(self._listen(self.options.download_port))
        except OSError:
            for listener in sockets:
                listener.close()
            project.database.close()
            raise
        self._project = project
        self._ports = (sockets[0].getsockname()[1], sockets[1].getsockname()[1])
        self._servers = [_server(api_app(project)), _server(download_app(project))]
        self._thread = threading.Thread(target=self._run, args=(sockets,), name="voucherify-emulator", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_SECONDS) or self._failure is not None:
            self.__exit__(None, None, None)
            raise RuntimeError("The emulator did not start") from self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it; open connections are closed."""
        for server in self._servers:
            server.should_exit = True
        if self._project is not None and self._failure is None:
            self._project.end_pauses()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)
            if self._thread.is_alive():
                raise RuntimeError(f"The emulator did not stop within {_STOP_SECONDS:.0f} seconds")
        if self._project is not None:
            self._project.database.close()

    @property
    def url(self) -> str:
        """Origin of the API host."""
        return self._origin(self.options.host, 0)

    @property
    def download_url(self) -> str:
        """Origin of the download host."""
        return self._origin(self.options.host, 1)

    @property
    def app_id(self) -> str:
        """Application id that it accepts."""
        return self.options.app_id

    @property
    def app_token(self) -> str:
        """Secret key that it accepts."""
        return self.options.app_token

    @property
    def routes(self) -> tuple[str, ...]:
        """Labels of all routes, as faults and the log of calls name them."""
        return ROUTE_LABELS

    @property
    def project(self) -> Project:
        """State of the emulated project.

        :raises RuntimeError: if it has not been started.
        """
        if self._project is None:
            raise RuntimeError("The emulator has not been started: use it in a with statement")
        return self._project

    def calls(self) -> dict[str, Any]:
        """Return the log of calls, as ``GET /emulator/calls`` does."""
        return self.project.call_log.report()

    def count_orders(self) -> int:
        """Return the number of orders."""
        return self.project.orders.count()

    def add_fault(self, name: str, **parameters: Any) -> None:
        """Arm a fault.

        :param name: Its name.
        :param parameters: Its parameters.
        :raises ValueError: if name, parameter or route is unknown.
        """
        self.project.faults.add(make_fault(name, parameters))

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self.project.faults.clear()

    def faults(self) -> list[dict[str, Any]]:
        """Return the armed faults with their parameters, events ``seen`` and times ``fired``."""
        return self.project.faults.report()

    def add_export_rows(self, kind: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Add rows that exports of a kind have, as ``POST /emulator/export-rows/{kind}`` does.

        :param kind: Kind of export, other than ``order``.
        :param rows: Values by field.
        :raises ValueError: if the kind or a field is unknown.
        :return: Number of rows.
        """
        return self.project.add_export_rows(kind, rows)

    @property
    def connection_uri(self) -> str:
        """Airflow connection to this emulator, as the value of an ``AIRFLOW_CONN_…`` variable."""
        scheme, _, address = self.url.partition("://")
        return f"voucherify://{quote(self.app_id, safe='')}:{quote(self.app_token, safe='')}@{address}/{scheme}"

    def seed_action(self, **fields: Any) -> str:
        """Make an async action of any type that goes through any statuses.

        :param fields: Those of :class:`SeededAction`, as ``POST /emulator/async-actions`` takes them.
        :raises ValueError: if a field is wrong.
        :return: Id of the action.
        """
        return self.project.seed_action(SeededAction.of(fields))

    def reset(self) -> None:
        """Restore the state in which it was started."""
        self.project.reset()

    def _origin(self, host: str, listener: int) -> str:
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self._ports[listener]}"

    def _file_url(self, export_id: str, number: int, request: ApiRequest) -> str:
        host = self.options.host
        if host in _WILDCARDS:
            host = urlsplit(f"//{request.headers.get('host', '')}").hostname or "127.0.0.1"
        token = quote(self.project.download_tokens.make(export_id, number))
        file = f"&file={number}" if number else ""
        return f"{self._origin(host, 1)}/v1/exports/{export_id}?token={token}{file}"

    def _listen(self, port: int) -> socket.socket:
        host = self.options.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # asyncio turns Nagle's algorithm off only where the protocol is named, as create_server() does not.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            raise OSError(error.errno, f"Cannot listen on {host}:{port}: {error.strerror or error}") from error
        return listener

    def _run(self, sockets: list[socket.socket]) -> None:
        try:
            asyncio.run(self._serve(sockets))
        except BaseException as error:  # noqa: BLE001 (raised in the thread that started this one)
            self._failure = error
            self._ready.set()

    async def _serve(self, sockets: list[socket.socket]) -> None:
        self.project.start()
        serving = asyncio.gather(
            *(server.serve(sockets=[listener]) for server, listener in zip(self._servers, sockets, strict=True))
        )
        while not all(server.started for server in self._servers) and not serving.done():
            await asyncio.sleep(0.001)
        self._ready.set()
        await serving
        self.project.stop()


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
    """HTTP protocol that adds the transport to the scope of a request, so that a fault can close the connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        app: ASGIApp = self.app  # type: ignore[has-type]

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope[TRANSPORT] = transport
            await app(scope, receive, send)

        self.app = with_transport


def _server(app: Starlette) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)
