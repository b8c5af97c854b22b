"""A local Voucherify: the endpoints for orders, async actions and exports on localhost, with their rules and faults."""

from airflow_provider_voucherify.emulator.fault_types import FAULTS, Fault
from airflow_provider_voucherify.emulator.options import EmulatorOptions
from airflow_provider_voucherify.emulator.server import Emulator

__all__ = ["FAULTS", "Emulator", "EmulatorOptions", "Fault"]
