"""A local Voucherify: the endpoints for orders, async actions and exports on localhost, with their rules and faults.

What it assumes of the real API, and how sure that is: ``docs/voucherify-api.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_voucherify.emulator.fault_types import FAULTS, Fault
from airflow_provider_voucherify.emulator.options import EmulatorOptions

if TYPE_CHECKING:
    from airflow_provider_voucherify.emulator.server import Emulator

__all__ = ["FAULTS", "Emulator", "EmulatorOptions", "Fault"]

_EXTRA = ("starlette", "uvicorn")


def __getattr__(name: str) -> Any:
    """Import the server when it is first asked for, so that a missing extra can be named.

    :raises ModuleNotFoundError: if the extra ``emulator`` is not installed.
    """
    if name != "Emulator":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from airflow_provider_voucherify.emulator.server import Emulator
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        raise ModuleNotFoundError(
            f"The emulator needs {error.name}, which is not installed: pip install "
            "'airflow-provider-voucherify[emulator]'",
            name=error.name,
        ) from error
    return Emulator
