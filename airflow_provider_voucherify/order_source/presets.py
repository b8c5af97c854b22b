"""
Ready options for the exports of shop systems.

Each function returns options of a source, to be given to an operator or to ``open_source`` as
``**presets.shopify_csv()``. What is given to the function overrides them: entries of ``column_mapping`` and
``value_mapping`` one by one, all else as a whole: ``presets.shopify_csv(column_mapping={"Tags": "metadata.tags"})``.

In all of them amounts are in the currency (``amount_unit="major"``), what is not mapped is left out and counted
(``unknown_fields="drop"``), the date of the order is kept in the metadata as ``ordered_at``, and a status that is not
known here rejects the order, because nobody knows what it means: map it with ``value_mapping``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["magento_csv", "shopify_csv", "shopify_json", "woocommerce_json"]

MERGED = ("column_mapping", "value_mapping")

SHOPIFY_STATUSES = {
    "pending": "CREATED",
    "authorized": "CREATED",
    "partially_paid": "CREATED",
    "paid": "PAID",
    "partially_refunded": "PAID",
    "refunded": "CANCELED",
    "voided": "CANCELED",
    "expired": "CANCELED",
}
SHOPIFY_LEFT_OUT = (
    "Paid at", "Fulfillment Status", "Fulfilled at", "Accepts Marketing", "Subtotal", "Shipping", "Taxes",
    "Shipping Method", "Lineitem compare at price", "Lineitem requires shipping", "Lineitem taxable",
    "Lineitem fulfillment status", "Billing Street", "Billing Address1", "Billing Address2", "Billing Company",
    "Billing City", "Billing Zip", "Billing Province", "Billing Country", "Billing Phone", "Shipping Name",
    "Shipping Street", "Shipping Address1", "Shipping Address2", "Shipping Company", "Shipping City", "Shipping Zip",
    "Shipping Province", "Shipping Country", "Shipping Phone", "Notes", "Note Attributes", "Cancelled at",
    "Payment Method", "Payment Reference", "Refunded Amount", "Vendor", "Outstanding Balance", "Employee", "Location",
    "Device ID", "Id", "Tags", "Risk Level", "Source", "Lineitem discount", "Tax 1 Name", "Tax 1 Value", "Tax 2 Name",
    "Tax 2 Value", "Tax 3 Name", "Tax 3 Value", "Tax 4 Name", "Tax 4 Value", "Tax 5 Name", "Tax 5 Value", "Phone",
    "Receipt Number", "Duties", "Billing Province Name", "Shipping Province Name", "Payment ID", "Payment Terms Name",
    "Next Payment Due At", "Payment References",
)  # fmt: skip
WOOCOMMERCE_STATUSES = {
    "pending": "CREATED",
    "on-hold": "CREATED",
    "processing": "PAID",
    "completed": "FULFILLED",
    "cancelled": "CANCELED",
    "refunded": "CANCELED",
    "failed": "CANCELED",
}
MAGENTO_STATUSES = {
    "Pending": "CREATED",
    "Pending Payment": "CREATED",
    "Payment Review": "CREATED",
    "On Hold": "CREATED",
    "Suspected Fraud": "CREATED",
    "Processing": "PAID",
    "Complete": "FULFILLED",
    "Closed": "CANCELED",
    "Canceled": "CANCELED",
}
MAGENTO_CODES = {
    "pending": "CREATED",
    "pending_payment": "CREATED",
    "payment_review": "CREATED",
    "holded": "CREATED",
    "fraud": "CREATED",
    "processing": "PAID",
    "complete": "FULFILLED",
    "closed": "CANCELED",
    "canceled": "CANCELED",
}


def shopify_csv(**overrides: Any) -> dict[str, Any]:
    """
    Return options for the CSV file of Shopify's admin (Orders, Export).

    It has a row per line item; what belongs to the order stands on its first row alone, and ``Name`` on all. The
    ``source_id`` is ``Name`` (``#1001``), and that of the customer is the e-mail address, for there is no other id.
    ``amount`` is left to Voucherify, which keeps the sum of the items (documented): ``Total`` has taxes, shipping and
    discounts in it, and goes into the metadata. The other columns of the format are left out on purpose, and are not
    counted as findings.

    Sources: "Exporting orders" in the Shopify Help Center (help.shopify.com/en/manual/fulfillment/managing-orders/
    exporting-orders), for columns and rows; ``OrderDisplayFinancialStatus`` in the GraphQL Admin API (shopify.dev), for
    the words of ``Financial Status``.

    :param overrides: Options that replace or complement these.
    """
    return _merged(
        {
            "file_format": "csv",
            "group_by": "Name",
            "column_mapping": {
                **dict.fromkeys(SHOPIFY_LEFT_OUT),
                "Name": "source_id",
                "Financial Status": "status",
                "Created at": "created_at",
                "Discount Amount": "discount_amount",
                "Email": "customer.source_id",
                "Billing Name": "customer.name",
                "Currency": "metadata.currency",
                "Total": "metadata.total",
                "Discount Code": "metadata.discount_code",
                "Lineitem name": "items.product.name",
                "Lineitem sku": "items.product.source_id",
                "Lineitem quantity": "items.quantity",
                "Lineitem price": "items.price",
            },
            "value_mapping": {"status": SHOPIFY_STATUSES},
            "metadata_schema": {"total": "float64"},
        },
        overrides,
    )


def shopify_json(**overrides: Any) -> dict[str, Any]:
    """
    Return options for orders of Shopify's REST Admin API, as ``{"orders": [...]}``.

    The ``source_id`` is ``name`` (``#1001``), that of the customer is Shopify's id of it. ``amount`` is left to
    Voucherify, which keeps the sum of the items (documented).

    Source: the Order resource of the REST Admin API (shopify.dev/docs/api/admin-rest/latest/resources/order).

    :param overrides: Options that replace or complement these. Files with one order a line need ``json_path=None``.
    """
    return _merged(
        {
            "json_path": "orders",
            "column_mapping": {
                "name": "source_id",
                "financial_status": "status",
                "total_discounts": "discount_amount",
                "id": "metadata.shopify_id",
                "currency": "metadata.currency",
                "total_price": "metadata.total",
                "source_name": "metadata.channel",
                "updated_at": None,
                "customer.id": "customer.source_id",
                "customer.default_address.name": "customer.name",
                "line_items.title": "items.product.name",
                "line_items.sku": "items.product.source_id",
                "line_items.quantity": "items.quantity",
                "line_items.price": "items.price",
                "line_items": None,
            },
            "value_mapping": {"status": SHOPIFY_STATUSES},
            "metadata_schema": {"total": "float64"},
        },
        overrides,
    )


def woocommerce_json(**overrides: Any) -> dict[str, Any]:
    """
    Return options for orders of WooCommerce's REST API (``GET /wp-json/wc/v3/orders``), as an array.

    The ``source_id`` is ``number``; that of the customer is ``customer_id``, unless it is 0, which is a guest. The
    amount of an item is its ``subtotal``, which is the one before discounts. The date is ``date_created_gmt``, which is
    written without a zone.

    Source: "Orders" in the WooCommerce REST API documentation (woocommerce.github.io/woocommerce-rest-api-docs/
    #order-properties and #order-line-items-properties).

    :param overrides: Options that replace or complement these.
    """
    return _merged(
        {
            "column_mapping": {
                "number": "source_id",
                "date_created_gmt": "created_at",
                "discount_total": "discount_amount",
                "id": "metadata.woocommerce_id",
                "currency": "metadata.currency",
                "total": "metadata.total",
                "customer_id": "customer.source_id",
                "billing.email": "customer.email",
                "billing.phone": "customer.phone",
                "billing": None,
                "line_items.name": "items.product.name",
                "line_items.sku": "items.product.source_id",
                "line_items.quantity": "items.quantity",
                "line_items.subtotal": "items.amount",
                "line_items": None,
            },
            "value_mapping": {"status": WOOCOMMERCE_STATUSES, "customer.source_id": {"0": None}},
            "metadata_schema": {"total": "float64"},
        },
        overrides,
    )


def magento_csv(**overrides: Any) -> dict[str, Any]:
    """
    Return options for the CSV file of the orders grid in the admin of Magento 2 and Adobe Commerce (Sales, Orders).

    It has a row per order, and no items; ``Grand Total (Purchased)`` is the amount. Its columns are those that the grid
    shows: these are the default ones. With ``Customer Email`` among them, add
    ``column_mapping={"Customer Email": "customer.source_id"}``.

    Sources: "Orders workspace" and "Order status" in the Magento user guide (docs.magento.com/user-guide/sales/
    orders-workspace.html and order-status.html). How dates are written depends on version and language: both forms of
    English shops are read.

    :param overrides: Options that replace or complement these.
    """
    return _merged(
        {
            "file_format": "csv",
            "column_mapping": {
                "ID": "source_id",
                "Status": "status",
                "Purchase Date": "created_at",
                "Grand Total (Purchased)": "amount",
                "Purchase Point": "metadata.store",
                "Bill-to Name": "metadata.bill_to_name",
            },
            "value_mapping": {"status": MAGENTO_STATUSES | MAGENTO_CODES},
            "datetime_format": ["%b %d, %Y, %I:%M:%S %p", "%b %d, %Y %I:%M:%S %p"],
        },
        overrides,
    )


COMMON = {"amount_unit": "major", "unknown_fields": "drop", "order_date_metadata_key": "ordered_at"}


def _merged(options: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = COMMON | dict(options)
    for name, value in overrides.items():
        both = name in MERGED and isinstance(value, Mapping)
        merged[name] = {**merged.get(name, {}), **value} if both else value
    return merged
