"""Tests on a real Airflow with all its processes."""

import pytest

pytest.register_assert_rewrite("tests.system.shop")
