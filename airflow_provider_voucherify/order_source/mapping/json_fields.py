"""Give the fields of JSON orders their names in the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from airflow_provider_voucherify.order_source.schema.check import MALFORMED, InvalidOrderError, encode


def renamed(
    column_mapping: Mapping[str, str | None], constants: Mapping[str, str] | None = None
) -> Callable[[bytes], bytes]:
    """
    Make a function that gives the fields of a JSON order their names in the API.

    :param column_mapping: Path in the API, with dots, by the name of the field or its path: ``line_items.sku`` is a
        field of each entry of a list, and goes to ``items.…``. None drops a field, after those in it have moved. Fields
        that are not named stay where they are.
    :param constants: Values by path, that all orders have besides.
    :return: A function from one JSON document to another; what is not a JSON object comes back as it is. It raises
        :class:`~airflow_provider_voucherify.order_source.schema.check.InvalidOrderError` where a path is taken.
    """
    paths = {name: None if path is None else tuple(path.split(".")) for name, path in column_mapping.items()}
    if any("." in name or (path is not None and path[0] == "items" and len(path) > 1) for name, path in paths.items()):
        return _nested(paths, constants or {})
    added = [(path, tuple(path.split(".")), msgspec.Raw(encode(value))) for path, value in (constants or {}).items()]

    def rename(body: bytes) -> bytes:
        try:
            order: dict[str, Any] = _decode_fields(body)
        except MALFORMED:
            return body
        moved = [(name, path, order.pop(name)) for name, path in paths.items() if name in order]
        for name, path, value in [*moved, *added]:
            if path is not None and not _put(order, path, value):
                raise InvalidOrderError(f"{name} is mapped to {'.'.join(path)}, and the order has something there")
        return encode(order)

    return rename


_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NULL = msgspec.Raw(b"null")


def _put(order: dict[str, Any], path: tuple[str, ...], value: msgspec.Raw) -> bool:
    for name in path[:-1]:
        inner = order.get(name, _NULL)
        if isinstance(inner, msgspec.Raw):
            try:
                inner = {} if inner == _NULL else _decode_fields(inner)
            except MALFORMED:  # there is a value where the path needs an object
                return False
        order[name] = inner
        order = inner
    if order.get(path[-1], _NULL) != _NULL:
        return False
    order[path[-1]] = value
    return True


Path = tuple[str, ...]


def _nested(paths: Mapping[str, Path | None], constants: Mapping[str, str]) -> Callable[[bytes], bytes]:
    """Make a function that moves fields at any depth, for which it has to decode all of an order."""
    added = [(path, tuple(path.split(".")), (), value) for path, value in constants.items()]
    dropped = [name for name, path in paths.items() if path is None]

    def rename(body: bytes) -> bytes:
        try:
            order = _decode(body)
        except (*MALFORMED, ArithmeticError):
            return body
        if not isinstance(order, dict):
            return body
        moved = [
            (name, path, places, value)
            for name, path in paths.items()
            if path is not None
            for places, value in _taken(order, name)
        ]
        for name in dropped:
            list(_taken(order, name))
        for name, path, places, value in [*moved, *added]:
            if not _put_at(order, path, places, value):
                raise InvalidOrderError(f"{name} is mapped to {'.'.join(path)}, and the order has something there")
        return encode(order)

    return rename


def _taken(order: dict[str, Any], name: str) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Take a field out of an order, or out of each entry of a list: its value, and the indexes of the entries."""
    if name in order:
        yield (), order.pop(name)
    else:
        yield from _taken_from(order, name.split("."), ())


def _taken_from(value: Any, path: Sequence[str], places: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Any]]:
    if isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _taken_from(entry, path, (*places, index))
    elif isinstance(value, dict) and path[0] in value:
        if len(path) == 1:
            yield places, value.pop(path[0])
        else:
            yield from _taken_from(value[path[0]], path[1:], places)


def _put_at(order: dict[str, Any], path: Path, places: tuple[int, ...], value: Any) -> bool:
    """Put a value at a path; one of ``items.…`` into the item with the index that it was taken from."""
    if value is None:
        return True
    if path[0] == "items" and len(path) > 1:
        items = order.setdefault("items", [])
        index = places[0] if places else 0
        if not isinstance(items, list):
            return False
        items.extend({} for _ in range(index + 1 - len(items)))
        return _put_value(items[index], path[1:], value)
    return _put_value(order, path, value)


def _put_value(target: Any, path: Path, value: Any) -> bool:
    for name in path[:-1]:
        if not isinstance(target, dict):
            return False
        if target.get(name) is None:
            target[name] = {}
        target = target[name]
    if not isinstance(target, dict) or target.get(path[-1]) is not None:
        return False
    target[path[-1]] = value
    return True


_decode = msgspec.json.Decoder(float_hook=Decimal).decode
