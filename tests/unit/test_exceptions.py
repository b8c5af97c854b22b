"""What the messages of exceptions name."""

from __future__ import annotations

import pickle

import pytest

from airflow_provider_voucherify.exceptions import (
    BadRowError,
    OrdersNotLoadedError,
    StateError,
    TransportError,
    WaitTimeoutError,
)


@pytest.mark.parametrize(
    "error",
    [
        BadRowError("One is bad.", 1, 7),
        OrdersNotLoadedError("One is bad.", None),
        StateError("One is bad."),
        TransportError("One is bad.", sent=True),
        WaitTimeoutError("One is bad."),
    ],
)
def test_an_error_of_a_job_names_its_connection_once(error):
    assert str(error) == "One is bad."
    error.name_connection("shop")
    error.name_connection("shop")  # by the job that the job made
    assert str(pickle.loads(pickle.dumps(error))) == "With connection 'shop': One is bad."


def test_a_connection_is_not_named_twice():
    error = TransportError("GET /v1/orders with connection 'shop': no response.", sent=True)
    error.name_connection("shop")
    assert str(error) == "GET /v1/orders with connection 'shop': no response."
