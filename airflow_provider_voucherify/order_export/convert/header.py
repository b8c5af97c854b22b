"""
Match the columns of an exported file with the fields.

How an export of orders writes its headers is unknown. They are matched by their normal form, so that ``Source ID`` is
``source_id``, and by the labels that exports of other objects have (seen in examples); see ``docs/voucherify-api.md``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_voucherify.api.endpoints import ORDER_FIELDS
from airflow_provider_voucherify.exceptions import ExportFileError
from airflow_provider_voucherify.order_export.kinds import METADATA, METADATA_PREFIX

LABELS = {
    "created_at": "creationdate",
    "updated_at": "lastupdatedate",
    "bar_code": "barcode",
    "redemption_quantity": "redemptionlimit",
    "loyalty_balance": "loyaltycardbalance",
}
METADATA_HEADER = re.compile(r"\s*metadata\s*[._:\s]\s*(\S.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Columns:
    """
    The columns of a file.

    :param fields: The position of each field's column, from 0.
    :param metadata: The position of each key's column, if the file has the metadata as a column for each key and not
        as one of JSON text; otherwise empty.
    :param unknown: Headers that were not requested: the API may add columns at any time.
    """

    fields: dict[str, int]
    metadata: dict[str, int]
    unknown: tuple[str, ...]


def match_columns(
    header: Sequence[str],
    fields: Sequence[str],
    name: str,
    header_mapping: Mapping[str, str] | None = None,
    known_fields: Iterable[str] = ORDER_FIELDS,
) -> Columns:
    """
    Find the column of each field.

    A metadata key that is spelled as in the field precedes one with the same normal form: keys may differ in case
    alone. A key may also come as a column with the bare key; if all the metadata was requested and has no column of its
    own, the columns that nothing else claims are its keys.

    :param header: The headers as they are in the file.
    :param fields: The requested fields.
    :param name: The name of the file in errors.
    :param header_mapping: The fields of headers that do not match otherwise.
    :param known_fields: The fields that the kind of export has: their headers are not keys of the metadata.
    :raises ExportFileError: if a field has no column, or two.
    """
    found: dict[str, int] = {}
    mapping = header_mapping or {}
    known = {form for field in known_fields for form in (normal_form(field), LABELS.get(field)) if form}

    def is_mapped(text: str, field: str) -> bool:
        return mapping.get(text.strip()) == field

    def may_be_key(text: str) -> bool:
        return bool(text.strip()) and normal_form(text) not in known

    def is_bare_key(text: str, field: str) -> bool:
        return may_be_key(text) and field == f"{METADATA_PREFIX}{text.strip()}"

    def bare_key(text: str) -> str | None:
        return text.strip() if may_be_key(text) and metadata_key(text) is None else None

    twice = _asked_for_twice(header, fields, metadata_key)
    bare_twice = _asked_for_twice(header, fields, bare_key)
    for same in (is_mapped, _same_key, _same_normal_form, _is_label, is_bare_key):
        taken = {*found.values(), *twice, *bare_twice}
        free = [position for position in range(len(header)) if position not in taken]
        for field in fields:
            if field not in found and (position := _only(field, header, free, same, name)) is not None:
                found[field] = position
    keys = {p: key for p, text in enumerate(header) if (key := metadata_key(text)) and p not in twice}
    if METADATA in fields and METADATA not in found and not keys:
        claimed = {*found.values(), *twice}
        keys = {p: text.strip() for p, text in enumerate(header) if p not in claimed and may_be_key(text)}
    metadata = _by_key(keys, header, name) if METADATA in fields and METADATA not in found else {}
    missing = [field for field in fields if field not in found and field != METADATA]
    if missing:
        raise ExportFileError(
            f"{name} has no column for {', '.join(missing)}. Its columns are: {', '.join(header)}. "
            f"If one of them is meant, map it: header_mapping={{'…': {missing[0]!r}}}."
        )
    used = {*found.values(), *metadata.values(), *twice, *bare_twice}
    unknown = tuple(text for position, text in enumerate(header) if position not in used)
    return Columns(found, metadata, unknown)


def _asked_for_twice(header: Sequence[str], fields: Sequence[str], key_of: Callable[[str], str | None]) -> set[int]:
    """Find the second columns of keys that were requested as ``metadata.X`` and come with ``metadata`` as well."""
    return {
        position
        for position, text in enumerate(header)
        if METADATA in fields
        and text in header[:position]
        and (key := key_of(text))
        and f"{METADATA_PREFIX}{key}" in fields
    }


def normal_form(header: str) -> str:
    """Normalize a header or field name, so that ``Source ID`` and ``source_id`` are equal."""
    return re.sub(r"[\s_.:]", "", header.casefold())


def metadata_key(header: str) -> str | None:
    """Return the key of a column with a single key of the metadata, or None for any other column."""
    match = METADATA_HEADER.fullmatch(header)
    return match[1].rstrip() if match else None


def _same_key(header: str, field: str) -> bool:
    return field.startswith(METADATA_PREFIX) and metadata_key(header) == field.removeprefix(METADATA_PREFIX)


def _same_normal_form(header: str, field: str) -> bool:
    return normal_form(header) == normal_form(field)


def _is_label(header: str, field: str) -> bool:
    return LABELS.get(field) == normal_form(header)


def _only(
    field: str, header: Sequence[str], free: Sequence[int], same: Callable[[str, str], bool], name: str
) -> int | None:
    positions = [position for position in free if same(header[position], field)]
    if len(positions) > 1:
        texts = [header[position] for position in positions]
        named = " and ".join(map(repr, texts))
        advice = f" Say which is meant: header_mapping={{{texts[0]!r}: {field!r}}}." if len({*texts}) > 1 else ""
        raise ExportFileError(f"{name} has {len(positions)} columns for {field}: {named}.{advice}")
    return positions[0] if positions else None


def _by_key(keys: dict[int, str], header: Sequence[str], name: str) -> dict[str, int]:
    by_key: dict[str, int] = {}
    for position, key in keys.items():
        if key in by_key:
            raise ExportFileError(
                f"{name} has 2 columns for the metadata key {key!r}: {header[by_key[key]]!r} and {header[position]!r}."
            )
        by_key[key] = position
    return by_key
