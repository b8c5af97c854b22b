"""Keep secrets and forged lines out of logs and error messages."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

MAX_TEXT = 500
MASK = "***"

_hides_urls: ContextVar[bool] = ContextVar("voucherify_hides_urls", default=False)


def one_line(text: object, limit: int = MAX_TEXT) -> str:
    """
    Make text of unknown origin safe for one line of a log.

    :param text: Anything; it is converted to ``str``.
    :param limit: The longest result in characters.
    :return: The text, with control and other unprintable characters escaped, shortened to the limit.
    """
    # a character may take up to 10 once it is escaped; a text far over the limit is not worth escaping in whole
    start = str(text)[: limit + 1]
    safe = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in start
    )
    return safe if len(safe) <= limit and len(start) <= limit else f"{safe[: limit - 1]}…"


class SecretUrl:
    """
    A URL that carries a token in its query or path, and shows neither.

    :param url: An absolute URL.
    :raises ValueError: if it is not a URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._parts: SplitResult = urlsplit(url)
        self._parts.port  # noqa: B018 - a port that is not a number raises here

    def reveal(self) -> str:
        """Return the URL itself."""
        return self._url

    @property
    def scheme(self) -> str:
        """The scheme, in lower case."""
        return self._parts.scheme

    @property
    def host(self) -> str:
        """The host name, without credentials."""
        return self._parts.hostname or ""

    @property
    def secrets(self) -> list[str]:
        """The values of the query, each of which may be a token or a signature."""
        return [value for _, value in parse_qsl(self._parts.query) if value] + (
            [unquote(self._parts.password)] if self._parts.password else []
        )

    def __repr__(self) -> str:
        return f"{self.scheme}://{one_line(self.host)}/{MASK}"


@contextmanager
def urls_hidden_in_logs() -> Iterator[None]:
    """Mask paths and queries in the debug log of urllib3, in this thread, while a file is downloaded."""
    token = _hides_urls.set(True)
    try:
        yield
    finally:
        _hides_urls.reset(token)


class _HideUrls(logging.Filter):
    """
    urllib3 logs path and query of each request; those of a download carry its token.

    While a file is downloaded, all of both is masked; at other times only what is named like a secret, as the log is
    shared with everything else in the process.
    """

    _secret = re.compile(r"\b(token|sig|signature|x-amz-[\w-]+|x-goog-[\w-]+)=[^&\s]+", re.IGNORECASE)

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            masked = _masked if _hides_urls.get() else lambda text: self._secret.sub(rf"\1={MASK}", text)
            record.args = tuple(masked(item) if isinstance(item, str) else item for item in record.args)
        return True


def _masked(argument: str) -> str:
    if argument.startswith("/"):
        return f"/{MASK}"
    # "https://host" with nothing after it stays: which host was reached is worth logging
    return f"{argument.partition('?')[0].rpartition('/')[0]}/{MASK}" if argument.count("/") > 2 else argument


for _name in ("urllib3.connectionpool", "urllib3.util.retry", "urllib3.poolmanager"):
    logging.getLogger(_name).addFilter(_HideUrls())
