"""Options of an emulator, defined once for the command line and for :class:`Emulator`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Plan = Literal["unlimited", "business", "organization", "sandbox"]


class EmulatorOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of an emulator. Each is a ``--flag`` of the command under the same name; the description is its help.

    What is unknown of the real API (U) is an option: a client should work with every value of it. What is known
    of it, and how surely, is in ``docs/voucherify-api.md``.
    """

    host: Annotated[str, Meta(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="port of the API; 0 picks a free one")] = 0
    download_port: Annotated[int, Meta(ge=0, le=65535, description="port of the download host; 0 picks a free one")] = 0
    app_id: Annotated[str, Meta(min_length=1, description="application id (X-App-Id)")] = "emulator-app-id"
    app_token: Annotated[str, Meta(min_length=1, description="secret key (X-App-Token)")] = "emulator-app-token"  # noqa: S105
    plan: Annotated[Plan, Meta(description="plan whose rate limits hold")] = "unlimited"
    speed: Annotated[float, Meta(gt=0, description="simulated durations and rate periods are divided by this")] = 1.0
    db: Annotated[str, Meta(min_length=1, description="SQLite file; :memory: is a temporary one")] = ":memory:"

    import_limit: Annotated[int, Meta(ge=1, description="orders in one import (documented: 2000)")] = 2000
    body_limit: Annotated[int, Meta(ge=1, description="bytes of a body; larger ones get 413 (U)")] = 10_000_000
    gzip_bodies: Annotated[bool, Meta(description="accept 'Content-Encoding: gzip' instead of 415 (U)")] = False
    import_mode: Annotated[
        Literal["upsert", "insert"],
        Meta(description="an import of a known source_id changes the order, or fails that row (U)"),
    ] = "upsert"
    failed_style: Annotated[
        Literal["array", "object"],
        Meta(description="'failed' of an import: array as in the example, object as in the schema (its first row)"),
    ] = "array"
    new_updated_at: Annotated[
        Literal["null", "created"],
        Meta(description="updated_at of an order never updated: null (the schema allows it) or its created_at (U)"),
    ] = "null"
    bulk_limit: Annotated[
        int,
        Meta(
            ge=0,
            description="imports an hour, counted as bulk calls and no others; 0: imports are API calls (U)",
        ),
    ] = 0
    import_base_ms: Annotated[float, Meta(ge=0, description="simulated milliseconds of any import")] = 500
    import_order_ms: Annotated[float, Meta(ge=0, description="simulated milliseconds for each order of an import")] = 1

    window_bounds: Annotated[
        Literal["inclusive", "exclusive"],
        Meta(description="whether $after and $before include their bound (U)"),
    ] = "exclusive"
    metadata_style: Annotated[
        Literal["json", "columns", "bare"],
        Meta(description="export field 'metadata': a JSON cell, a column metadata.X for each key, or a column X (U)"),
    ] = "json"
    header_style: Annotated[
        Literal["display", "label", "field"],
        Meta(
            description="CSV header: 'Source ID' as in the example for vouchers, the same with labels such as"
            " 'Creation Date', or 'source_id' (U)"
        ),
    ] = "display"
    seed: Annotated[int, Meta(ge=0, description="orders to start with; a tenth as many rows of other exports")] = 0
    days: Annotated[float, Meta(gt=0, description="days of the past over which these orders are spread")] = 30
    export_files: Annotated[
        int,
        Meta(ge=1, description="files of an export; the first stays result.url, all are in result.urls (U)"),
    ] = 1
    export_base_ms: Annotated[float, Meta(ge=0, description="simulated milliseconds of any export")] = 500
    export_order_ms: Annotated[float, Meta(ge=0, description="simulated milliseconds for each exported order")] = 0.02
    download_token_seconds: Annotated[float, Meta(gt=0, description="life of a download token, real seconds (U)")] = 900
    download_needs_keys: Annotated[
        bool, Meta(description="downloads need the keys or an OAuth token too (documented)")
    ] = True
    export_echo: Annotated[
        Literal["rich", "sent"],
        Meta(
            description="parameters that an export shows: with order, filters and response_format where none were sent,"
            " as in the examples, or those that were sent (U)"
        ),
    ] = "rich"
    oauth_token_seconds: Annotated[
        float, Meta(gt=0, description="life of an OAuth token, real seconds (documented: 900)")
    ] = 900
    oauth_token_limit: Annotated[int, Meta(ge=1, description="OAuth tokens alive at a time (documented: 1000)")] = 1000

    def __repr__(self) -> str:
        """Return the options without the secret key."""
        shown = (name for name in self.__struct_fields__ if name != "app_token")
        return f"EmulatorOptions({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


def make_options(values: dict[str, Any]) -> EmulatorOptions:
    """Validate options.

    :param values: Values by the names of :class:`EmulatorOptions`.
    :raises ValueError: if a name is unknown or a value is out of its range; the message names both.
    :return: The options.
    """
    try:
        return msgspec.convert(values, EmulatorOptions)
    except msgspec.ValidationError as error:
        raise ValueError(f"Emulator options: {error}") from None
