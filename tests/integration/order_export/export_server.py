"""A server of exports over real HTTP, for the contents and broken responses that the emulator does not give."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import Counter, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from airflow_provider_voucherify.api.client import VoucherifyClient
from airflow_provider_voucherify.api.settings import Settings

EXPORT_ID = "exp_1"
TOKEN = "planted-download-token"


class ExportServer:
    """
    An export that is DONE, and its files.

    ``cuts`` has, for each download to come, after how many bytes its connection is closed, or None for never;
    ``statuses`` has the status of each download to come, 200 when there is none.
    """

    def __init__(self) -> None:
        self.files: list[bytes] = [b""]
        self.framing: Literal["length", "chunked", "close"] = "length"
        self.gzip = False
        self.status = "DONE"
        self.cuts: deque[int | None] = deque()
        self.statuses: deque[int] = deque()
        self.seconds_between_blocks = 0.0
        self.calls: Counter[str] = Counter()
        self.sent = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                kind = self.path.split("/")[1]
                server.calls[kind] += 1
                server._answer_export(self) if kind == "v1" else server._answer_file(self)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> ExportServer:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def client(self) -> VoucherifyClient:
        """A client of it, that does not sleep."""
        settings = Settings(app_id="app", app_token="secret", base_url=self.url, name="shop")
        return VoucherifyClient(settings, sleep=lambda _: None)

    def body(self, file: int = 0) -> bytes:
        """What is sent of a file when it is not cut."""
        return gzip.compress(self.files[file]) if self.gzip else self.files[file]

    def _answer_export(self, handler: BaseHTTPRequestHandler) -> None:
        urls = [f"{self.url}/files/{number}?token={TOKEN}-{self.calls['v1']}" for number in range(len(self.files))]
        result = {"url": urls[0], "urls": urls} if self.status == "DONE" else None
        body = json.dumps({"id": EXPORT_ID, "status": self.status, "exported_object": "order", "result": result})
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body.encode())

    def _answer_file(self, handler: BaseHTTPRequestHandler) -> None:
        status = self.statuses.popleft() if self.statuses else 200
        if status != 200:
            handler.send_response(status)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        body = self.body(int(handler.path.split("/")[2].partition("?")[0]))
        cut = self.cuts.popleft() if self.cuts else None
        handler.send_response(200)
        if self.gzip:
            handler.send_header("Content-Encoding", "gzip")
        if self.framing == "length":
            handler.send_header("Content-Length", str(len(body)))
        elif self.framing == "chunked":
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header("Connection", "close")
        handler.end_headers()
        self._send(handler, body if cut is None else body[:cut], whole=cut is None)

    def _send(self, handler: BaseHTTPRequestHandler, body: bytes, whole: bool) -> None:
        step = 1 << 16
        for start in range(0, len(body), step):
            block = body[start : start + step]
            framed = b"%x\r\n%s\r\n" % (len(block), block) if self.framing == "chunked" else block
            try:
                handler.wfile.write(framed)
            except ConnectionError:
                return
            self.sent += len(block)
            if self.seconds_between_blocks:
                time.sleep(self.seconds_between_blocks)
        if self.framing == "chunked" and whole:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = not whole or self.framing == "close"
