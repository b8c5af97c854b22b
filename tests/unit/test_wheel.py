"""What is installed: all of the package with its marker for type checkers, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "airflow_provider_voucherify"


def build(folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel(tmp_path):
    with zipfile.ZipFile(build(tmp_path)) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
        (entry_points,) = [archive.read(name) for name in archive.namelist() if name.endswith("/entry_points.txt")]
    assert files == {str(path.relative_to(ROOT)) for path in (ROOT / PACKAGE).rglob("*.*") if path.suffix != ".pyc"}
    assert f"{PACKAGE}/py.typed" in files
    assert f"{PACKAGE}/reporting/report.html.jinja" in files
    assert b"[apache_airflow_provider]\nprovider_info = airflow_provider_voucherify.get_provider_info" in entry_points


@pytest.mark.slow  # so that it does not run beside old versions of Airflow, which keep back twine
def test_the_wheel_can_be_published(tmp_path):
    command = [sys.executable, "-m", "twine", "check", "--strict", str(build(tmp_path))]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
