"""
Ask a Voucherify project what the documents leave open, without Airflow.

::

    from airflow_provider_voucherify.api import Settings
    from airflow_provider_voucherify.probe import probe_project

    facts = probe_project(Settings(app_id="…", app_token="…"))
    print(facts.answers["import_mode"])

It creates at most 60 orders with at most 60 calls, in a sandbox project alone.
"""

from __future__ import annotations

from airflow_provider_voucherify.probe.guard import MARKER
from airflow_provider_voucherify.probe.lab import Bounds
from airflow_provider_voucherify.probe.probe import probe_project
from airflow_provider_voucherify.probe.questions import QUESTIONS

__all__ = ["MARKER", "QUESTIONS", "Bounds", "probe_project"]
