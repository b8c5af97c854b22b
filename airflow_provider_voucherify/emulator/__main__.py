"""The command ``voucherify-emulator``."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import inspect

from airflow_provider_voucherify.emulator.fault_types import FAULTS
from airflow_provider_voucherify.emulator.faults import parse_fault
from airflow_provider_voucherify.emulator.like import likeness_of
from airflow_provider_voucherify.emulator.options import EmulatorOptions

_DEFAULTS = {"port": 8600}
_CONNECTION = "export AIRFLOW_CONN_VOUCHERIFY_DEFAULT"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run an emulator until SIGTERM or SIGINT.

    :param arguments: Command line without the program; that of this process when left out.
    :raises SystemExit: if an argument is wrong, a port is taken, or the extra ``emulator`` is not installed.
    """
    parser = _parser()
    facts = parser.parse_args(arguments).like
    try:
        parser.set_defaults(**(likeness_of(facts).options if facts else {}))  # what the command line says overrides it
    except ValueError as error:
        parser.error(str(error))
    values = vars(parser.parse_args(arguments))
    try:
        from airflow_provider_voucherify.emulator import Emulator
    except ModuleNotFoundError as error:
        parser.error(str(error))
    try:
        faults = [parse_fault(text) for text in values.pop("fault")]
        emulator = Emulator(faults=faults, **values)
    except ValueError as error:
        parser.error(str(error))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        with emulator:
            sys.stdout.write(f"listening on {emulator.url}\n{_CONNECTION}={emulator.connection_uri!r}\n")
            sys.stdout.flush()
            ended.wait()
    except (OSError, ValueError) as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="voucherify-emulator",
        description="Run a local Voucherify. (U) marks what is unknown of the real one: see docs/voucherify-api.md.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for field in msgspec.structs.fields(EmulatorOptions):
        _add_option(parser, field)
    parser.add_argument(
        "--like", metavar="FILE", help="behave like the project whose facts voucherify-probe --json wrote to this file"
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[:key=value,...]",
        help=f"fault to inject; can be given several times; names: {', '.join(FAULTS)}",
    )
    return parser


def _add_option(parser: argparse.ArgumentParser, field: msgspec.structs.FieldInfo) -> None:
    name = "--" + field.name.replace("_", "-")
    default = _DEFAULTS.get(field.name, field.default)
    described = inspect.type_info(field.type)
    details: dict[str, Any] = {"default": default, "help": _help(described)}
    kind = described.type if isinstance(described, inspect.Metadata) else described
    if isinstance(kind, inspect.BoolType):
        parser.add_argument(name, action=argparse.BooleanOptionalAction, **details)
    elif isinstance(kind, inspect.LiteralType):
        parser.add_argument(name, choices=sorted(kind.values), **details)
    else:
        number = {inspect.IntType: int, inspect.FloatType: float}.get(type(kind), str)
        parser.add_argument(name, type=number, **details)


def _help(described: inspect.Type) -> str | None:
    if not isinstance(described, inspect.Metadata) or described.extra_json_schema is None:
        return None
    description: str | None = described.extra_json_schema.get("description")
    return description


if __name__ == "__main__":
    main()
