"""A server that sends given bytes, and pauses between them: for responses that no HTTP library would write."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable

from airflow_provider_voucherify.api import Settings, VoucherifyClient


class RawServer:
    """
    Accept connections, read one request from each, and send the parts of a response.

    :param parts: The bytes to send; a number is a pause in seconds. They may be endless.
    """

    def __init__(self, parts: Iterable[bytes | float]) -> None:
        self._parts = parts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopped = threading.Event()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests = 0
        self.sent = 0

    def __enter__(self) -> RawServer:
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._listener.close()
        self._thread.join(5)

    def client(self, **options: object) -> VoucherifyClient:
        """A client of it that tries once and does not sleep."""
        settings = Settings(app_id="app", app_token="planted-secret", base_url=self.url, name="shop")
        return VoucherifyClient(settings, **{"attempts": 1, "sleep": lambda _: None} | options)

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listener.settimeout(0.05)
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with connection:
                self._respond(connection)

    def _respond(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        try:
            if not connection.recv(1 << 16):
                return
            self.requests += 1
            for part in self._parts:
                if self._stopped.is_set():
                    return
                if isinstance(part, bytes):
                    connection.sendall(part)
                    self.sent += len(part)
                else:
                    time.sleep(part)
        except OSError:
            return
