"""The kinds of export: the fields, types, sort orders, filters and times of each, from the OpenAPI documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from airflow_provider_voucherify.api.endpoints import ORDER_FIELDS
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_export.window import WindowField

ExportedObject = Literal[
    "order", "redemption", "customer", "voucher", "publication", "points_expiration", "voucher_transactions",
    "product", "sku",
]  # fmt: skip
FieldType = Literal["text", "category", "integer", "number", "switch", "date", "time", "json"]

METADATA = "metadata"
METADATA_PREFIX = "metadata."
METADATA_X = "metadata.X"  # how the API's documentation writes the field of any single key


class ExportKind(msgspec.Struct, frozen=True, kw_only=True):
    """
    What can be exported of a kind of object.

    :param name: The ``exported_object`` of the API.
    :param one: What one of its rows is, in messages.
    :param collection: What all of its rows are.
    :param fields: The fields with their types, in the order of the documents.
    :param sort_orders: What it can be sorted by, without ``-``.
    :param filters: What it can be filtered by.
    :param filter_prefixes: How other names to filter by begin.
    :param conditions: The only conditions that some of the filters can have.
    :param times: The column of each time that it can be filtered by, so that windows can be of it.
    :param never_changes: Whether it is an event: its time of creation is also that of its last change.
    :param undocumented_fields: Fields that objects of this kind have; that exports have them, too, is guessed. They are
        not among the default ones.
    """

    name: ExportedObject
    one: str
    collection: str
    fields: Mapping[str, FieldType]
    sort_orders: tuple[str, ...]
    filters: tuple[str, ...]
    filter_prefixes: tuple[str, ...] = (METADATA_PREFIX,)
    conditions: Mapping[str, tuple[str, ...]] = {}
    times: Mapping[WindowField, str] = {}
    never_changes: bool = False
    undocumented_fields: Mapping[str, FieldType] = {}

    @property
    def field_names(self) -> tuple[str, ...]:
        """All fields, with ``metadata.X`` if it has metadata."""
        names = (*self.fields, *self.undocumented_fields)
        return (*names, METADATA_X) if METADATA in names else names

    @property
    def filter_names(self) -> tuple[str, ...]:
        """All names to filter by, with ``X`` for what is free."""
        return (*self.filters, *(f"{prefix}X" for prefix in self.filter_prefixes))

    @property
    def signed_sort_orders(self) -> tuple[str, ...]:
        """The values of ``sort_order``."""
        return tuple(signed for name in self.sort_orders for signed in (name, f"-{name}"))

    @property
    def time_columns(self) -> tuple[str, ...]:
        """The columns that are a time."""
        fields = {**self.fields, **self.undocumented_fields}
        return tuple(name for name, kind in fields.items() if kind == "time")

    def sort_order_by(self, column: str) -> str | None:
        """
        Return the sort order that sorts by a column; None if there is none.

        :param column: A field that :meth:`has_field`.
        """
        names = [column, *(time for time, of in self.times.items() if of == column)]
        return next((name for name in names if name in self.sort_orders), None)

    def type_of(self, field: str) -> FieldType | None:
        """
        Return the type of a field; None for a key of the metadata.

        :param field: A field that :meth:`has_field`.
        """
        return self.fields.get(field) or self.undocumented_fields.get(field)

    def has_field(self, name: str) -> bool:
        """
        Return whether it has a field, or may have it as a key of its metadata.

        :param name: The name.
        """
        return self.type_of(name) is not None or (METADATA_X in self.field_names and is_metadata_key(name))

    def has_filter(self, name: str) -> bool:
        """
        Return whether it can be filtered by a name.

        :param name: The name.
        """
        return name in self.filters or any(
            name.startswith(prefix) and name != prefix for prefix in self.filter_prefixes
        )

    def window_field(self, field: WindowField) -> WindowField:
        """
        Return the time that a window is of.

        :param field: The time that was asked for.
        :raises ConfigurationError: if it cannot be filtered by it.
        """
        if not self.times:
            raise ConfigurationError(
                f"window_start: the API has no filter by time for an export of {self.name}. Export all of them."
            )
        if field in self.times:
            return field
        if not self.never_changes:
            raise ConfigurationError(
                f"window_field: an export of {self.name} has no {field!r}, so that it does not show changes. "
                "window_field='created_at' takes what is new, an export without a window all."
            )
        return "created_at"


def is_metadata_key(name: str) -> bool:
    """
    Return whether a field is a single key of the metadata.

    :param name: The name of the field.
    """
    return name.startswith(METADATA_PREFIX) and name != METADATA_PREFIX


_BOTH_TIMES: Mapping[WindowField, str] = {"updated_at": "updated_at", "created_at": "created_at"}
_BOUNDS = ("$after", "$before")
_OF_EVENTS: Mapping[str, tuple[str, ...]] = {
    "created_at": _BOUNDS, "campaign": ("$is",), "customer": ("$is",), "voucher": ("$is",),
}  # fmt: skip
_ORDER_TYPES: Mapping[str, FieldType] = {
    "created_at": "time", "updated_at": "time", "status": "category", "amount": "integer",
    "discount_amount": "integer", "items_discount_amount": "integer", "total_discount_amount": "integer",
    "total_amount": "integer", "metadata": "json",
}  # fmt: skip
_PRODUCT_FIELDS: Mapping[str, FieldType] = {
    "id": "text", "name": "text", "price": "integer", "image_url": "text", "source_id": "text", "attributes": "text",
    "created_at": "time",
}  # fmt: skip
_SKU_FIELDS: Mapping[str, FieldType] = {
    "id": "text", "sku": "text", "product_id": "text", "currency": "text", "price": "integer", "image_url": "text",
    "source_id": "text", "attributes": "text", "created_at": "time",
}  # fmt: skip
_CATALOGUE_FIELDS: Mapping[str, FieldType] = {"updated_at": "time", "metadata": "json"}

_KINDS = (
    ExportKind(
        name="order",
        one="an order",
        collection="orders",
        fields={name: _ORDER_TYPES.get(name, "text") for name in ORDER_FIELDS},
        sort_orders=("created_at", "updated_at", "status"),
        filters=(
            "created_at", "updated_at", "status", "source_id", "amount", "total_amount", "discount_amount",
            "total_discount_amount", "items_discount_amount",
        ),
        conditions={"created_at": _BOUNDS, "updated_at": _BOUNDS},
        times=_BOTH_TIMES,
    ),
    ExportKind(
        name="redemption",
        one="a redemption",
        collection="redemptions",
        fields={
            "id": "text", "object": "category", "date": "time", "voucher_code": "text", "campaign": "text",
            "promotion_tier_id": "text", "customer_id": "text", "customer_source_id": "text", "customer_name": "text",
            "tracking_id": "text", "order_id": "text", "order_amount": "integer", "gift_amount": "integer",
            "loyalty_points": "integer", "result": "category", "failure_code": "category", "failure_message": "text",
            "metadata": "json",
        },
        sort_orders=("id", "voucher_code", "tracking_id", "customer_id", "created_at"),
        filters=(
            "created_at", "campaign", "customer", "voucher", "related_object", "voucher_code", "related_object_id",
            "related_object_parent_id", "parent_redemption_id", "failure_code", "result", "object", "customer_id",
            "campaign_name", "user_login", "status",
        ),
        conditions={**_OF_EVENTS, "related_object": ("$in",)},
        times={"created_at": "date"},
        never_changes=True,
    ),
    ExportKind(
        name="customer",
        one="a customer",
        collection="customers",
        fields={
            "name": "text", "id": "text", "description": "text", "email": "text", "source_id": "text",
            "created_at": "time", "address_city": "text", "address_state": "text", "address_line_1": "text",
            "address_line_2": "text", "address_country": "text", "address_postal_code": "text",
            "redemptions_total_redeemed": "integer", "redemptions_total_failed": "integer",
            "redemptions_total_succeeded": "integer", "redemptions_total_rolled_back": "integer",
            "redemptions_total_rollback_failed": "integer", "redemptions_total_rollback_succeeded": "integer",
            "orders_total_amount": "integer", "orders_total_count": "integer", "orders_average_amount": "integer",
            "orders_last_order_amount": "integer", "orders_last_order_date": "time", "loyalty_points": "integer",
            "loyalty_referred_customers": "integer", "updated_at": "time", "phone": "text", "birthday": "date",
            "metadata": "json", "birthdate": "date",
        },
        sort_orders=("name", "id", "email", "source_id", "created_at", "updated_at"),
        filters=(
            "created_at", "updated_at", "email", "name", "city", "phone", "birthday", "source_id",
            "publications.created_at", "publications.related_object_id",
        ),
        filter_prefixes=(
            METADATA_PREFIX, "address.", "summary.", "loyalty.", "loyalty_tier.", "loyalty_points.", "system_metadata.",
        ),
        conditions={"created_at": _BOUNDS, "updated_at": (*_BOUNDS, "$is"), "city": ("$is",)},
        times=_BOTH_TIMES,
    ),
    ExportKind(
        name="voucher",
        one="a voucher",
        collection="vouchers",
        fields={
            "code": "text", "voucher_type": "category", "value": "number", "formula": "text",
            "discount_type": "category", "campaign": "text", "category": "text", "start_date": "time",
            "expiration_date": "time", "gift_balance": "integer", "loyalty_balance": "integer",
            "redemption_quantity": "integer", "redemption_count": "integer", "active": "switch", "qr_code": "text",
            "bar_code": "text", "metadata": "json", "id": "text", "is_referral_code": "switch", "created_at": "time",
            "updated_at": "time", "validity_timeframe_interval": "text", "validity_timeframe_duration": "text",
            "validity_day_of_week": "text", "discount_amount_limit": "number", "campaign_id": "text",
            "additional_info": "text", "customer_id": "text", "discount_effect": "category",
            "discount_unit_type": "text", "discount_unit_effect": "category", "validation_rules_id": "text",
            "customer_source_id": "text",
        },
        sort_orders=("created_at", "updated_at", "code"),
        filters=(
            "created_at", "updated_at", "created_date", "active", "redemption_status", "start_date", "expiration_date",
            "validity_day_of_week", "code", "categories", "vouchers", "holder_id", "is_referral_code",
            "published_for_customer_id", "validity_timeframe", "category_ids",
        ),
        filter_prefixes=(METADATA_PREFIX, "redemption."),
        times=_BOTH_TIMES,
    ),
    ExportKind(
        name="publication",
        one="a publication",
        collection="publications",
        fields={
            "voucher_code": "text", "customer_id": "text", "customer_source_id": "text", "date": "time",
            "channel": "category", "campaign": "text", "is_winner": "switch", "metadata": "json",
        },
        sort_orders=("id", "voucher_code", "tracking_id", "customer_id", "created_at", "channel"),
        filters=(
            "created_at", "campaign", "customer", "voucher", "failure_code", "result", "customer_id", "campaign_name",
            "voucher_type", "is_referral_code", "parent_object_id", "related_object_id", "source_id",
        ),
        conditions=_OF_EVENTS,
        times={"created_at": "date"},
        never_changes=True,
    ),
    ExportKind(
        name="points_expiration",
        one="a bucket of loyalty points",
        collection="points_expirations",
        fields={
            "id": "text", "campaign_id": "text", "voucher_id": "text", "points": "integer", "status": "category",
            "expires_at": "time",
        },
        sort_orders=("expires_at",),
        filters=("campaign_id", "voucher_id"),
        filter_prefixes=(),
    ),
    ExportKind(
        name="voucher_transactions",
        one="a transaction of a voucher",
        collection="voucher_transactions",
        fields={
            "id": "text", "campaign_id": "text", "voucher_id": "text", "type": "category", "source_id": "text",
            "reason": "text", "source": "category", "balance": "integer", "amount": "integer",
            "related_transaction_id": "text", "created_at": "time", "details": "json",
        },
        sort_orders=("created_at",),
        filters=("created_at", "voucher_id", "campaign_id"),
        filter_prefixes=(),
        times={"created_at": "created_at"},
        never_changes=True,
    ),
    # the documents list the default fields of the next two, and nothing to sort or filter by
    ExportKind(
        name="product",
        one="a product",
        collection="products",
        fields=_PRODUCT_FIELDS,
        undocumented_fields=_CATALOGUE_FIELDS,
        sort_orders=tuple(_PRODUCT_FIELDS),
        filters=tuple(_PRODUCT_FIELDS),
        times={"created_at": "created_at"},
    ),
    ExportKind(
        name="sku",
        one="an SKU",
        collection="skus",
        fields=_SKU_FIELDS,
        undocumented_fields=_CATALOGUE_FIELDS,
        sort_orders=tuple(_SKU_FIELDS),
        filters=tuple(_SKU_FIELDS),
        times={"created_at": "created_at"},
    ),
)  # fmt: skip
KINDS: Mapping[str, ExportKind] = {kind.name: kind for kind in _KINDS}
