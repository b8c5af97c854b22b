"""Exports of shop systems, written after their formats, become orders without more than a preset."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.order_source import open_source, presets
from airflow_provider_voucherify.order_source.checked_records import checked
from airflow_provider_voucherify.order_source.findings import Findings

SHOPIFY_COLUMNS = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,Shipping,"
    "Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,"
    "Lineitem price,Lineitem compare at price,Lineitem sku,Lineitem requires shipping,Lineitem taxable,"
    "Lineitem fulfillment status,"
    "Billing Name,Billing Street,Billing Zip,Notes,Cancelled at,Refunded Amount,Vendor,Id,Tags,Risk Level,Source,"
    "Lineitem discount,Phone"
).split(",")
MAGENTO_COLUMNS = (
    "ID,Purchase Point,Purchase Date,Bill-to Name,Ship-to Name,Grand Total (Base),Grand Total (Purchased),Status"
).split(",")


def write_csv(path: Path, columns: list[str], rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(path: Path, **options: Any) -> list[Any]:
    """Read orders: each as it would be sent, or why it would not be."""
    made = checked(open_source(paths=path, **options).read())
    return [json.loads(one.body) if one.error is None else str(one.error) for one in made]


SHOPIFY_ROWS = [
    {
        "Name": "#1001",
        "Email": "ada@shop.example",
        "Financial Status": "paid",
        "Currency": "EUR",
        "Total": "58.81",
        "Discount Code": "HELLO",
        "Discount Amount": "5.99",
        "Created at": "2023-05-01 11:59:58 +0200",
        "Lineitem quantity": "2",
        "Lineitem name": "Rose",
        "Lineitem price": "19.95",
        "Lineitem sku": "ROSE-1",
        "Billing Name": "Ada Lovelace",
        "Billing Zip": "'01067",
        "Notes": "line one\nline two",
    },
    {
        "Name": "#1001",
        "Email": "ada@shop.example",
        "Created at": "2023-05-01 11:59:58 +0200",
        "Lineitem quantity": "1",
        "Lineitem name": 'Vase 5"',
        "Lineitem price": "14.01",
    },
    {
        "Name": "#1002",
        "Email": "bo@shop.example",
        "Financial Status": "refunded",
        "Created at": "2023-05-02 07:59:58 +0200",
        "Lineitem quantity": "1",
        "Lineitem name": "Soil",
        "Lineitem price": "7.50",
        "Lineitem sku": "SOIL",
    },
]


def test_shopify_csv(tmp_path) -> None:
    path = write_csv(tmp_path / "orders_export.csv", SHOPIFY_COLUMNS, SHOPIFY_ROWS)
    assert read(path, **presets.shopify_csv()) == [
        {
            "source_id": "#1001",
            "status": "PAID",
            "discount_amount": 599,
            "customer": {"source_id": "ada@shop.example", "name": "Ada Lovelace"},
            "metadata": {
                "currency": "EUR",
                "total": 58.81,
                "discount_code": "HELLO",
                "ordered_at": "2023-05-01T11:59:58+02:00",
            },
            "items": [
                {"quantity": 2, "price": 1995, "product": {"source_id": "ROSE-1", "name": "Rose"}},
                {"quantity": 1, "price": 1401, "product": {"name": 'Vase 5"'}},
            ],
        },
        {
            "source_id": "#1002",
            "status": "CANCELED",
            "customer": {"source_id": "bo@shop.example"},
            "metadata": {"ordered_at": "2023-05-02T07:59:58+02:00"},
            "items": [{"quantity": 1, "price": 750, "product": {"source_id": "SOIL", "name": "Soil"}}],
        },
    ]


def test_known_columns_are_left_out_on_purpose_and_others_are_findings(tmp_path) -> None:
    path = write_csv(tmp_path / "orders.csv", [*SHOPIFY_COLUMNS, "Loyalty"], SHOPIFY_ROWS)
    findings = Findings()
    list(checked(open_source(paths=path, **presets.shopify_csv()).read(), findings=findings))
    left_out = [finding.finding for finding in findings.table() if "left out" in finding.finding]
    assert left_out == ["column 'Loyalty' left out"]


def test_a_status_that_nobody_knows_rejects_the_order(tmp_path) -> None:
    rows = [{**SHOPIFY_ROWS[2], "Financial Status": "mystery"}]
    path = write_csv(tmp_path / "orders.csv", SHOPIFY_COLUMNS, rows)
    (reason,) = read(path, **presets.shopify_csv())
    assert "status must be one of CREATED, PAID, CANCELED, FULFILLED" in reason
    overridden = presets.shopify_csv(value_mapping={"status": {"mystery": "PAID"}})
    (order,) = read(path, **overridden)
    assert order["status"] == "PAID"


def test_a_preset_can_be_overridden(tmp_path) -> None:
    options = presets.shopify_csv(
        column_mapping={"Tags": "metadata.tags", "Email": None}, amount_decimals=3, order_date_metadata_key=None
    )
    assert options["column_mapping"]["Name"] == "source_id"
    path = write_csv(tmp_path / "orders.csv", SHOPIFY_COLUMNS, [SHOPIFY_ROWS[2] | {"Tags": "vip"}])
    (order,) = read(path, **options)
    assert order == {
        "source_id": "#1002",
        "status": "CANCELED",
        "metadata": {"tags": "vip"},
        "items": [{"quantity": 1, "price": 7500, "product": {"source_id": "SOIL", "name": "Soil"}}],
    }
    assert presets.shopify_csv()["column_mapping"]["Email"] == "customer.source_id", "presets do not share their dicts"


def test_a_file_of_another_shop_is_refused(tmp_path) -> None:
    path = write_csv(tmp_path / "orders.csv", MAGENTO_COLUMNS, [{"ID": "1"}])
    with pytest.raises(ConfigurationError, match="column_mapping maps 'Name'"):
        read(path, **presets.shopify_csv())


SHOPIFY_ORDER = {
    "id": 450789469,
    "admin_graphql_api_id": "gid://shopify/Order/450789469",
    "name": "#1001",
    "order_number": 1001,
    "email": "bob@shop.example",
    "created_at": "2024-01-10T11:00:00-05:00",
    "updated_at": "2024-01-11T11:00:00-05:00",
    "financial_status": "partially_refunded",
    "currency": "USD",
    "total_price": "403.00",
    "total_discounts": "5.00",
    "source_name": "web",
    "discount_codes": [{"code": "TENOFF", "amount": "5.00", "type": "fixed_amount"}],
    "customer": {
        "id": 207119551,
        "email": "bob@shop.example",
        "first_name": "Bob",
        "phone": "+16136120707",
        "currency": "USD",
        "default_address": {"id": 1, "name": "Bob Norman", "zip": "40202"},
    },
    "line_items": [
        {
            "id": 669751112,
            "title": "IPod Nano",
            "price": "199.00",
            "quantity": 2,
            "sku": "IPOD2008GREEN",
            "product_id": 632910392,
            "tax_lines": [{"price": "3.98"}],
        },
        {"id": 669751113, "title": "Gift", "price": "10.00", "quantity": 1, "sku": "", "product_id": None},
    ],
}


def test_shopify_json(tmp_path) -> None:
    path = tmp_path / "orders.json"
    path.write_text(json.dumps({"orders": [SHOPIFY_ORDER]}))
    assert read(path, **presets.shopify_json()) == [
        {
            "source_id": "#1001",
            "status": "PAID",
            "discount_amount": 500,
            "customer": {
                "source_id": "207119551",
                "email": "bob@shop.example",
                "phone": "+16136120707",
                "name": "Bob Norman",
            },
            "metadata": {
                "shopify_id": 450789469,
                "currency": "USD",
                "total": 403.0,
                "channel": "web",
                "ordered_at": "2024-01-10T11:00:00-05:00",
            },
            "items": [
                {"quantity": 2, "price": 19900, "product": {"name": "IPod Nano", "source_id": "IPOD2008GREEN"}},
                {"quantity": 1, "price": 1000, "product": {"name": "Gift"}},
            ],
        }
    ]


def test_shopify_json_with_one_order_a_line(tmp_path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text(json.dumps(SHOPIFY_ORDER) + "\n" + json.dumps(SHOPIFY_ORDER | {"customer": None, "name": "#2"}))
    first, guest = read(path, **presets.shopify_json(json_path=None))
    assert first["source_id"] == "#1001"
    assert guest.get("customer") is None


@pytest.mark.parametrize("customer_id", [26, 0])
def test_woocommerce_json(tmp_path, customer_id) -> None:
    order = {
        "id": 727,
        "number": "727",
        "status": "processing",
        "currency": "USD",
        "date_created": "2017-03-22T13:28:02",
        "date_created_gmt": "2017-03-22T16:28:02",
        "discount_total": "1.50",
        "total": "29.35",
        "customer_id": customer_id,
        "billing": {"first_name": "John", "email": "john@shop.example", "phone": "(555) 555-5555", "company": ""},
        "meta_data": [{"id": 13106, "key": "_download_permissions_granted", "value": "yes"}],
        "line_items": [
            {
                "id": 315,
                "name": "Woo Single #1",
                "product_id": 93,
                "quantity": 2,
                "subtotal": "6.00",
                "total": "4.50",
                "sku": "WOO-1",
                "price": 2.25,
            },
            {"id": 316, "name": "Ship", "product_id": 22, "quantity": 1, "subtotal": "12.00", "sku": "", "price": 12},
        ],
        "refunds": [],
    }
    path = tmp_path / "orders.json"
    path.write_text(json.dumps([order]))
    (read_order,) = read(path, **presets.woocommerce_json())
    customer = read_order.pop("customer")
    assert customer.pop("source_id") == ("26" if customer_id else None)
    assert customer == {"email": "john@shop.example", "phone": "(555) 555-5555"}
    assert read_order == {
        "source_id": "727",
        "status": "PAID",
        "discount_amount": 150,
        "metadata": {
            "woocommerce_id": 727,
            "currency": "USD",
            "total": 29.35,
            "ordered_at": "2017-03-22T16:28:02",
        },
        "items": [
            {"product": {"name": "Woo Single #1", "source_id": "WOO-1"}, "quantity": 2, "amount": 600},
            {"product": {"name": "Ship"}, "quantity": 1, "amount": 1200},
        ],
    }


@pytest.mark.parametrize(
    ("date", "read_date"),
    [
        ("May 1, 2023, 1:59:58 PM", "2023-05-01T13:59:58"),
        ("May 1, 2023 1:59:58 PM", "2023-05-01T13:59:58"),
        ("2023-05-01 13:59:58", "2023-05-01T13:59:58"),
    ],
)
@pytest.mark.parametrize(("status", "read_status"), [("Complete", "FULFILLED"), ("holded", "CREATED")])
def test_magento_csv(tmp_path, date, read_date, status, read_status) -> None:
    row = {
        "ID": "000000001",
        "Purchase Point": "Main Website\nMain Website Store",
        "Purchase Date": date,
        "Bill-to Name": "Veronica Costello",
        "Ship-to Name": "Veronica Costello",
        "Grand Total (Base)": "36.3900",
        "Grand Total (Purchased)": "36.3900",
        "Status": status,
    }
    path = write_csv(tmp_path / "export.csv", MAGENTO_COLUMNS, [row])
    assert read(path, **presets.magento_csv()) == [
        {
            "source_id": "000000001",
            "status": read_status,
            "amount": 3639,
            "metadata": {
                "store": "Main Website\nMain Website Store",
                "bill_to_name": "Veronica Costello",
                "ordered_at": read_date,
            },
        }
    ]
