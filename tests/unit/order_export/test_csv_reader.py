"""Arrow's threads are done with our objects when a conversion is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.unit.order_export.files import read_and_release

HOW = ["whole", "left", "failing"]


@pytest.mark.parametrize("how", HOW)
def test_arrow_holds_nothing_of_ours_after_a_conversion(how):
    """Held objects have to be released by a thread of Arrow, which aborts the process if the interpreter has ended."""
    held = sum(reference() is not None for _ in range(200) for reference in read_and_release(how))
    assert held == 0


@pytest.mark.parametrize("how", HOW)
def test_processes_that_exit_right_after_a_conversion_exit_with_0(how):
    program = [sys.executable, "-m", "tests.unit.order_export.convert_and_exit", how, "32"]
    assert subprocess.check_output(program, text=True).strip() == "{0: 32}"
