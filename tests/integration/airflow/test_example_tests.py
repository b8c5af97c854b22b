"""The tests that stand beside the example DAGs, run as their reader would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from tests.airflow_home import DagBag, migrated

pytestmark = pytest.mark.no_cover  # takes twice as long if measured, and what it runs others measure
EXAMPLES = Path(__file__).parents[3] / "example_dags"


def test_they_pass():
    migrated()
    plugin = "airflow_provider_voucherify.testing"  # an installation that is older than its entry point lacks it
    command = [sys.executable, "-m", "pytest", "-q", "-p", plugin, "-p", "no:cacheprovider", "tests"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    result = subprocess.run(command, capture_output=True, text=True, cwd=EXAMPLES, env=environment, timeout=300)
    assert ("2 passed" if AIRFLOW_V_3_1_PLUS else "1 skipped") in result.stdout, result.stdout + result.stderr


def test_airflow_does_not_take_them_for_dags():
    bag = DagBag(str(EXAMPLES))
    assert not [dag.fileloc for dag in bag.dags.values() if "/tests/" in dag.fileloc]
    assert not [file for file in bag.import_errors if "/tests/" in file]
    assert not [stats.file for stats in bag.dagbag_stats if "/tests/" in str(stats.file)]
