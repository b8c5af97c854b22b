"""Join the orders of a source with those of an export, in DuckDB, which spills to disk what memory does not hold."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from airflow_provider_voucherify.exceptions import ConfigurationError, ExportFileError

if TYPE_CHECKING:
    import duckdb

# the first is enough for a million orders, and more than that is taken only where it is needed
MEMORY_LIMITS = ("64MB", "256MB", "1GB")
ROWS_AT_A_TIME = 10_000
METADATA_PREFIX = "metadata."
PARTIES = {"customer_id": "customer_source_id", "referrer_id": "referrer_source_id"}

log = logging.getLogger(__name__)


class Difference(msgspec.Struct, frozen=True):
    """
    A field whose value at Voucherify is not the one given.

    :param field: Its name, as in an export.
    :param given: The value in the source, as text.
    :param there: The value at Voucherify, as text; None where it has none.
    :param by_design: Whether Voucherify documents that it changes this value: an ``amount`` that is the sum of the
        items instead of the one given, or metadata outside the schema, which are kept as text.
    """

    field: str
    given: str
    there: str | None
    by_design: bool


class DifferentOrder(msgspec.Struct, frozen=True):
    """
    An order that is missing, that is in with other values than given, or that is in and cannot be compared.

    :param number: How many records of the source lie before it.
    :param id: Its id at Voucherify; None if it is missing.
    :param differences: The fields that differ; none if it is missing, or invalid in the source.
    """

    number: int
    id: str | None
    differences: list[Difference]

    @property
    def is_by_design(self) -> bool:
        """Whether Voucherify changed all that differs by design."""
        return bool(self.differences) and all(difference.by_design for difference in self.differences)


class Money(msgspec.Struct, frozen=True):
    """
    Sums of amounts of the orders with one status, in the smallest currency unit.

    :param status: The status; None for orders without one.
    :param given_orders: Orders of the source with it.
    :param given_amount: The sum of their amounts.
    :param found_orders: Orders at Voucherify with it, of those that the source has.
    :param found_amount: The sum of their amounts.
    """

    status: str | None
    given_orders: int
    given_amount: int
    found_orders: int
    found_amount: int


class Comparison:
    """
    The join of two Parquet files on ``source_id``.

    Only values that are given are compared: what the source leaves out, an import leaves as it is.

    :param given: The orders of the source, as
        :class:`~airflow_provider_voucherify.reconciliation.given.GivenWriter` writes them.
    :param found: The orders of the export: ``id``, ``source_id`` and the fields to compare.
    :param fields: The fields to compare, apart from metadata: names of both files.
    :param metadata_keys: The keys of the metadata to compare.
    :param spill_folder: A local folder for what does not fit into memory.
    :param keep_last: Whether the last of the records that repeat a ``source_id`` is compared, instead of the first.
    :param memory_limits: How much memory DuckDB may use, such as ``1GB``: where the first is too little, the next one.
    :raises ConfigurationError: if DuckDB is not installed.
    :raises ExportFileError: if the export has an order more than once.
    """

    def __init__(
        self,
        given: Path,
        found: Path,
        fields: Sequence[str],
        metadata_keys: Sequence[str],
        *,
        spill_folder: Path,
        keep_last: bool = False,
        memory_limits: Sequence[str] = MEMORY_LIMITS,
    ) -> None:
        for limit in memory_limits:
            self._database = _open(spill_folder, limit)
            try:
                self._join(given, found, fields, metadata_keys, keep_last=keep_last)
                break
            except _out_of_memory():
                self._database.close()
                if limit == memory_limits[-1]:
                    raise
                log.info("%s of memory are too little to compare the orders: taking more.", limit)
        missing = self._number("SELECT count(*) FROM given ANTI JOIN found USING (source_id)")
        if self.in_both + missing != self._number("SELECT count(*) FROM given"):
            self._database.close()
            raise ExportFileError(
                "The export has orders more than once, so that they cannot be compared. Reconcile again."
            )

    def _join(
        self, given: Path, found: Path, fields: Sequence[str], metadata_keys: Sequence[str], *, keep_last: bool
    ) -> None:
        self._database.execute(f"CREATE VIEW given_records AS FROM read_parquet({_text(str(given))})")
        self._database.execute(f"CREATE VIEW found AS FROM read_parquet({_text(str(found))})")
        kept = "max" if keep_last else "min"
        self._database.execute(
            f"CREATE TABLE repeated AS SELECT source_id, {kept}(number) AS kept FROM given_records "  # noqa: S608
            "GROUP BY source_id HAVING count(*) > 1"
        )
        self._database.execute(
            "CREATE VIEW given AS SELECT given_records.* FROM given_records LEFT JOIN repeated USING (source_id) "
            "WHERE kept IS NULL OR kept = number"
        )
        found_columns = {name for name, *_ in self._database.execute("DESCRIBE found").fetchall()}
        compared = [_field_difference(name) for name in fields]
        not_compared = [_only_named_otherwise(name) for name in fields if name in PARTIES]
        compared += [_metadata_difference(key, found_columns) for key in metadata_keys]
        self._database.execute(
            f"""
            CREATE TABLE joined AS
            SELECT given.number, coalesce(given.is_invalid, false) AS is_invalid, found.id,
                found.status AS found_status, found.amount AS found_amount,
                list_filter([{", ".join(compared)}]::STRUCT(field VARCHAR, given VARCHAR, there VARCHAR,
                    by_design BOOLEAN)[], lambda difference: difference IS NOT NULL) AS differences,
                list_filter([{", ".join(not_compared)}]::VARCHAR[], lambda field: field IS NOT NULL) AS not_compared
            FROM given JOIN found USING (source_id)
            """  # noqa: S608  # names and keys are quoted; there are no parameters for names
        )
        self._database.execute(
            """
            CREATE TABLE findings AS
            SELECT number, NULL AS id, [] AS differences FROM given ANTI JOIN found USING (source_id)
            UNION ALL SELECT number, id, differences FROM joined WHERE len(differences) > 0 OR is_invalid
            """
        )
        self._database.execute(
            """
            CREATE TABLE extra AS SELECT id, source_id, status, amount, created_at, updated_at
            FROM found ANTI JOIN given USING (source_id)
            """
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._database.close()

    @property
    def in_both(self) -> int:
        """The number of orders of the source that are at Voucherify."""
        return self._number("SELECT count(*) FROM joined")

    @property
    def extra(self) -> int:
        """The number of orders at Voucherify that the source does not have."""
        return self._number("SELECT count(*) FROM extra")

    @property
    def repeated(self) -> int:
        """The number of records that are not compared, as another one has their ``source_id``."""
        return self._number("SELECT count(*) FROM given_records") - self._number("SELECT count(*) FROM given")

    def findings(self) -> Iterator[DifferentOrder]:
        """Yield the orders that are missing or have other values, in the order of the source."""
        rows = self._rows("SELECT number, id, differences FROM findings ORDER BY number")
        for number, order_id, differences in rows:
            yield DifferentOrder(number, order_id, [Difference(**difference) for difference in differences])

    def by_design(self) -> dict[str, int]:
        """Count the orders of which Voucherify changed a value by design, by field."""
        query = (
            "SELECT d.field, count(*) FROM (SELECT unnest(differences) AS d FROM joined) WHERE d.by_design GROUP BY 1"
        )
        return dict(self._database.execute(f"{query} ORDER BY 1").fetchall())

    def not_compared(self) -> dict[str, int]:
        """Count the orders whose customer or referrer is given by a ``source_id``, which no export has, by field."""
        query = "SELECT field, count(*) FROM (SELECT unnest(not_compared) AS field FROM joined) GROUP BY 1 ORDER BY 1"
        return dict(self._database.execute(query).fetchall())

    def extra_orders(self) -> Iterator[dict[str, Any]]:
        """Yield the orders that the source does not have: id, source_id, status, amount, created_at, updated_at."""
        query = self._database.execute("SELECT id, source_id, status, amount, created_at, updated_at FROM extra")
        names = [column[0] for column in query.description or ()]
        while rows := query.fetchmany(ROWS_AT_A_TIME):
            yield from (dict(zip(names, row, strict=True)) for row in rows)

    def sample(self, size: int, seed: int) -> list[tuple[int, str]]:
        """
        Choose some of the orders that are in both at random, of those that are valid and do not differ.

        :param size: How many.
        :param seed: The same seed chooses the same orders.
        :return: Number and id of each, in the order of the source.
        """
        rows = self._database.execute(
            "SELECT number, id FROM joined WHERE NOT is_invalid "
            "AND len(list_filter(differences, lambda d: NOT d.by_design)) = 0 "
            "ORDER BY hash(number + ?), number LIMIT ?",
            [seed, size],
        ).fetchall()
        return sorted(rows)

    def money(self) -> list[Money]:
        """Sum the amounts by status on both sides."""
        rows = self._database.execute(
            """
            SELECT status, sum(given_orders), sum(given_amount), sum(found_orders), sum(found_amount) FROM (
                SELECT status, count(*) AS given_orders,
                    coalesce(sum(coalesce(amount, items_amount)), 0) AS given_amount,
                    0 AS found_orders, 0 AS found_amount
                FROM given GROUP BY status
                UNION ALL
                SELECT found_status, 0, 0, count(*), coalesce(sum(found_amount), 0) FROM joined GROUP BY found_status
            ) GROUP BY status ORDER BY status NULLS LAST
            """
        ).fetchall()
        return [Money(status, *map(int, sums)) for status, *sums in rows]

    def _number(self, query: str) -> int:
        row = self._database.execute(query).fetchone()
        return 0 if row is None else int(row[0])

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        cursor = self._database.execute(query)
        while rows := cursor.fetchmany(ROWS_AT_A_TIME):
            yield from rows


def _open(spill_folder: Path, memory_limit: str) -> duckdb.DuckDBPyConnection:
    try:
        import duckdb
    except ImportError as error:
        raise ConfigurationError(
            "A reconciliation needs DuckDB: install airflow-provider-voucherify[reconcile] where the task runs."
        ) from error
    database = duckdb.connect(
        str(spill_folder / f"joined-{memory_limit}.duckdb"),
        config={
            "memory_limit": memory_limit,
            "threads": 1,  # each takes memory of its own
            "temp_directory": str(spill_folder / "spilled"),
            "preserve_insertion_order": False,
        },
    )
    database.execute("SET enable_progress_bar = false")  # it is drawn on stdout wherever Python runs without a script
    return database


def _out_of_memory() -> type[Exception]:
    import duckdb

    return duckdb.OutOfMemoryException


def _field_difference(name: str) -> str:
    given, found = f"given.{_quoted(name)}", f"found.{_quoted(name)}"
    if name in PARTIES:
        return _party_difference(name, given, found)
    by_design = f"({found} IS NOT DISTINCT FROM given.items_amount)" if name == "amount" else "false"
    # nothing and an amount of 0 are the same money
    differs = f"{given} <> coalesce({found}, 0)" if name.endswith("amount") else f"{given} IS DISTINCT FROM {found}"
    return _difference(name, f"{given}::VARCHAR", f"{found}::VARCHAR", differs, by_design)


def _party_difference(name: str, given: str, found: str) -> str:
    """A customer or referrer who is given by a ``source_id`` differs for certain where there is none."""
    named = f"coalesce({given}, 'source_id ' || given.{PARTIES[name]})"
    differs = f"({found} IS NULL OR {given} <> {found})"
    return _difference(name, named, found, differs, "false")


def _only_named_otherwise(name: str) -> str:
    unnamed = f"given.{name} IS NULL AND given.{PARTIES[name]} IS NOT NULL AND found.{name} IS NOT NULL"
    return f"CASE WHEN {unnamed} THEN {_text(name)} END"


def _metadata_difference(key: str, found_columns: set[str]) -> str:
    name = f"{METADATA_PREFIX}{key}"
    path = _text("/" + key.replace("~", "~0").replace("/", "~1"))  # a JSON pointer: any key can be in it
    given, kind = f"json_extract_string(given.metadata, {path})", f"json_type(given.metadata, {path})"
    if name in found_columns:  # text, whatever it is at Voucherify
        found, retyped = f"found.{_quoted(name)}", "false"
    else:
        found = f"json_extract_string(found.metadata, {path})"
        retyped = f"({kind} <> 'VARCHAR' AND json_type(found.metadata, {path}) = 'VARCHAR')"
    same_number = f"(TRY_CAST({given} AS DOUBLE) = TRY_CAST({found} AS DOUBLE)) IS TRUE"
    differs = f"({given} IS DISTINCT FROM {found} OR {retyped})"
    return _difference(name, given, found, differs, f"({given} IS NOT DISTINCT FROM {found} OR {same_number})")


def _difference(name: str, given: str, found: str, differs: str, by_design: str) -> str:
    return (
        f"CASE WHEN {given} IS NOT NULL AND {differs} "
        f"THEN {{'field': {_text(name)}, 'given': {given}, 'there': {found}, 'by_design': {by_design}}} END"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
