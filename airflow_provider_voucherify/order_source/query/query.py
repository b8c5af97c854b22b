"""A query whose rows are orders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from airflow_provider_voucherify.exceptions import ConfigurationError


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """
    A query whose rows are orders.

    :param sql: The query.
    :param connect: Opens a DB-API connection, which is closed when all rows are fetched.
    :param parameters: The parameters of the query, a list or an object, as the driver takes them.
    :param items_sql: A query whose rows are the items of the orders. Both have to be sorted by the key.
    :param items_key: The key: the columns that both queries have. If ``sql`` lacks the only one, its ``source_id`` is
        meant.
    :param connection: What the connection is called: a spool of another one is not read.
    :param run: What the run is called: a spool of another one is not read.
    """

    sql: str
    connect: Callable[[], Any]
    parameters: Any = None
    items_sql: str | None = None
    items_key: str | Sequence[str] | None = None
    connection: str = ""
    run: str = ""

    def __post_init__(self) -> None:
        for name, text in (("sql", self.sql), ("items_sql", self.items_sql)):
            if text is not None and not text.strip():
                raise ConfigurationError(f"{name} is empty. If it is a template, what it names is not set.")
        if (self.items_sql is None) != (self.items_key is None):
            raise ConfigurationError("items_sql and items_key have to be given together.")

    @property
    def keys(self) -> list[str]:
        """The columns of the key of ``items_sql``."""
        return [self.items_key] if isinstance(self.items_key, str) else list(self.items_key or ())

    def fingerprint(self) -> str:
        """Hash all that decides which rows there are: neither the query nor its parameters can be read from it."""
        parts = (self.sql, repr(self.parameters), self.items_sql, self.keys, self.connection, self.run)
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
