"""What lies between a worker and Voucherify in many companies: a proxy, and TLS with an authority of their own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


class Listener:
    """
    A server on localhost, in a thread of its own.

    :param serve: Serves one connection.
    :param tls: Its certificate and key, if it speaks TLS.
    """

    def __init__(self, serve: Callable[[Reader, Writer], Awaitable[None]], tls: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> Listener:
        self._thread.start()
        started = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        server = asyncio.run_coroutine_threadsafe(started, self._loop).result(10)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


class Proxy(Listener):
    """A proxy for http and https, which remembers where its requests went."""

    def __init__(self) -> None:
        super().__init__(self._forward)
        self.targets: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _forward(self, reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, rest = head.split(b" ", 2)
        if method == b"CONNECT":
            self.targets.append(f"CONNECT {target.decode()}")
            host, _, port = target.decode().partition(":")
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await relay(reader, writer, host, int(port))
        else:
            url = urlsplit(target.decode())
            self.targets.append(f"{method.decode()} {url.netloc}")
            path = f"{url.path}?{url.query}".encode()
            await relay(reader, writer, url.hostname, url.port or 80, b" ".join([method, path, rest]))


def tls_front(port: int, context: ssl.SSLContext) -> Listener:
    """Speak TLS before a server that does not."""
    return Listener(lambda reader, writer: relay(reader, writer, "127.0.0.1", port), context)


async def relay(reader: Reader, writer: Writer, host: str, port: int, first: bytes = b"") -> None:
    """Pass on bytes in both directions until both ends are closed."""
    upstream_reader, upstream_writer = await asyncio.open_connection(host, port)
    upstream_writer.write(first)
    await asyncio.gather(_pump(reader, upstream_writer), _pump(upstream_reader, writer))


async def _pump(reader: Reader, writer: Writer) -> None:
    with suppress(OSError):
        while part := await reader.read(1 << 16):
            writer.write(part)
            await writer.drain()
    writer.close()


def own_authority(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make an authority, and what a server on localhost needs that it has signed."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("Own authority", "localhost")]
    certificates = []
    for key, name, is_authority in zip(keys, names, (True, False), strict=True):
        builder = x509.CertificateBuilder().issuer_name(names[0]).subject_name(name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(datetime.now(UTC) - timedelta(days=1))
        builder = builder.not_valid_after(datetime.now(UTC) + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        certificates.append(builder.sign(keys[0], hashes.SHA256()))
    authority, server = folder / "authority.pem", folder / "server.pem"
    authority.write_bytes(certificates[0].public_bytes(Encoding.PEM))
    key = keys[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    server.write_bytes(certificates[1].public_bytes(Encoding.PEM) + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    return authority, context
