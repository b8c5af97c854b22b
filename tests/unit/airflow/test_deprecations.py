"""No import of ours is deprecated, on any version of Airflow that these tests run on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

PACKAGE = "airflow_provider_voucherify"
ROOT = Path(__file__).parents[3]

# Airflow's own imports come first. A warning about one of ours names the file that imports, or of common.compat
CODE = """
import importlib, runpy, sys, warnings
from airflow.providers.common.compat.sdk import DAG, BaseHook, BaseOperator, BaseSensorOperator, task
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for module in sys.argv[1:]:
        runpy.run_path(module) if module.endswith(".py") else importlib.import_module(module)
for warning in caught:
    if issubclass(warning.category, (DeprecationWarning, FutureWarning)):
        print(f"WARNED {warning.filename}: {warning.message}")
"""


def warned(*modules: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", CODE, *modules], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("WARNED ")]
    return [line for line in lines if any(place in line for place in (*modules, PACKAGE, "common/compat"))]


def test_no_import_is_deprecated():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for folder in ("hooks", "operators", "sensors", "triggers")
        for path in (ROOT / PACKAGE / folder).glob("[!_]*.py")
    ]
    examples = list(map(str, (ROOT / "example_dags").glob("*.py")))
    if not AIRFLOW_V_3_0_PLUS:  # Airflow 2 has no watchers
        modules.remove(f"{PACKAGE}.triggers.orders")
        examples.remove(str(ROOT / "example_dags" / "voucherify_orders_changed.py"))
    assert len(modules) > 6
    assert warned(*modules, *examples) == []


def test_the_test_would_notice(tmp_path):
    probe = tmp_path / "probe.py"
    probe.write_text("import warnings\nwarnings.warn('old', FutureWarning)\n")
    assert warned(str(probe))
