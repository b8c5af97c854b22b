"""What is known of the orders in an Arrow table, computed a column at a time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_provider_voucherify.order_source.formats.arrow_arrays import (
    decoded,
    integers,
    number_scalar,
    plain_list,
    within,
)
from airflow_provider_voucherify.order_source.schema.order import SoundOrder, Traits


def sound_orders(order: pa.StructArray) -> list[SoundOrder]:
    """
    Find what is known of each order of a table.

    :param order: The rows, nested as in an order, of which all values are what the API accepts.
    """
    fields = {field.name: order.field(index) for index, field in enumerate(order.type)}
    length = len(order)
    ids = decoded(fields["source_id"]).cast(pa.string()).to_pylist() if "source_id" in fields else [None] * length
    people = [fields[name].is_valid() for name in ("referrer", "referrer_id") if name in fields]
    customer = fields["customer"].is_valid() if "customer" in fields else pa.repeat(_FALSE, length)
    traits = _bits(reduce(pc.or_, [customer, *people]), Traits.CUSTOMER)
    traits = pc.add(traits, _bits(pc.invert(customer), Traits.NO_CUSTOMER))
    traits = pc.add(traits, _traits_of_items(fields, length))
    if None in ids:
        nameless = fields["source_id"].is_null() if "source_id" in fields else pa.repeat(_TRUE, length)
        traits = pc.add(traits, _bits(nameless, Traits.NO_SOURCE_ID))
    if "created_at" in fields:
        traits = pc.add(traits, _bits(pc.invert(pc.is_null(fields["created_at"], nan_is_null=True)), Traits.CREATED_AT))
    return list(map(SoundOrder, ids, integers(traits)))


def _traits_of_items(fields: Mapping[str, pa.Array], length: int) -> pa.Array:
    """Find orders without items, and those whose amount is not the sum of their items."""
    items = fields.get("items")
    if items is None:
        return _bits(pa.repeat(_TRUE, length), Traits.NO_ITEMS)
    items = plain_list(decoded(items))
    if not types.is_list(items.type):
        return _bits(items.is_null(), Traits.NO_ITEMS)
    none = pc.equal(pc.fill_null(items.value_lengths(), _ZERO.cast(pa.int32())), _ZERO.cast(pa.int32()))
    traits = _bits(none, Traits.NO_ITEMS)
    amounts = _amounts_of_items(items) if "amount" in fields else None
    if amounts is None:
        return traits
    offsets = pc.subtract(items.offsets, items.offsets[0])
    known = _sums(pc.fill_null(amounts, _ZERO), offsets)
    unknown = _sums(amounts.is_null().cast(pa.int64()), offsets)
    differs = pc.not_equal(fields["amount"].cast(pa.int64()), known)
    mismatch = pc.and_(pc.and_(pc.fill_null(differs, _FALSE), pc.equal(unknown, _ZERO)), pc.invert(none))
    return pc.add(traits, _bits(mismatch, Traits.AMOUNT_MISMATCH))


def _amounts_of_items(items: pa.ListArray) -> pa.Array | None:
    values = decoded(within(items, items.values))
    if not types.is_struct(values.type):
        return None
    fields = {field.name: values.field(index) for index, field in enumerate(values.type)}
    numbers = {name: fields[name].cast(pa.int64()) for name in ("amount", "price", "quantity") if name in fields}
    amount = numbers.get("amount")
    if "price" in numbers and "quantity" in numbers:
        product = pc.multiply(numbers["price"], numbers["quantity"])
        return product if amount is None else pc.coalesce(amount, product)
    return amount


def _sums(values: pa.Array, offsets: pa.Array) -> pa.Array:
    """Sum the entries of each list."""
    total = pc.cumulative_sum(values)
    running = pa.concat_arrays([pa.repeat(_ZERO, 1), total])
    bounds = running.take(offsets)
    return pc.subtract(bounds.slice(1), bounds.slice(0, len(bounds) - 1))


def _bits(flags: pa.Array, bit: int) -> pa.Array:
    return pc.multiply(flags.cast(pa.int64()), number_scalar(bit))


_ZERO = number_scalar(0)
_TRUE, _FALSE = number_scalar(1).cast(pa.bool_()), _ZERO.cast(pa.bool_())
