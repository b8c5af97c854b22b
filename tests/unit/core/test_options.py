from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import pytest
from msgspec import Meta

from airflow_provider_voucherify.core.docstrings import parameters_of
from airflow_provider_voucherify.core.options import Options
from airflow_provider_voucherify.exceptions import ConfigurationError

Colour = Literal["red", "green"]


class Common(Options, frozen=True):
    """
    Options of every engine.

    :param interval: Seconds, or a timedelta.
    """

    interval: float | timedelta = 30.0


class Painting(Common, frozen=True):
    """
    How to paint.

    :param colour: The colour: ``red``,
        or ``green``.
    :param size: How large.
    :raises ConfigurationError: never mind.
    """

    colour: Colour | None = None
    size: Annotated[int, Meta(ge=1)] = 5
    share: Annotated[float, Meta(ge=0)] = 0
    layers: Annotated[int, Meta(ge=0)] | None = None
    varnish: bool = False
    names: list[str] = []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "blue"}, "colour must be one of red, green, or None, got 'blue'."),
        ({"size": 0}, "size must be at least 1, got 0."),
        ({"size": True}, "size must be a whole number, got True."),
        ({"size": 1.0}, "size must be a whole number, got 1.0."),
        ({"size": "{{ params.size }}"}, "got '{{ params.size }}'. It is not a templated parameter."),
        ({"size": None}, "size must be a whole number, got None."),
        ({"share": -0.1}, "share must be at least 0, got -0.1."),
        ({"share": float("nan")}, "share must be at least 0, got nan."),
        ({"share": "0.1"}, "share must be a number, got '0.1'."),
        ({"layers": -1}, "layers must be at least 0, got -1."),
        ({"varnish": "False"}, "varnish must be True or False, got 'False'."),
        ({"interval": timedelta(0)}, "interval must be above 0 seconds."),
        ({"interval": "1h"}, "interval must be a number, got '1h'."),
    ],
)
def test_a_value_that_is_not_accepted_is_named(options, message):
    with pytest.raises(ConfigurationError) as error:
        Painting(**options)
    assert message in str(error.value)


def test_values_that_are_accepted():
    painting = Painting(colour="red", size=1, share=1, layers=None, varnish=True, interval=timedelta(minutes=1))
    assert (painting.colour, painting.size, painting.share, painting.varnish) == ("red", 1, 1, True)
    assert painting.interval == 60.0


def test_options_are_frozen():
    with pytest.raises(AttributeError):
        Painting().size = 7


def test_options_are_parameters_with_defaults():
    defaults = {parameter.name: parameter.default for parameter in Painting.parameters()}
    assert defaults == {
        "interval": 30.0, "colour": None, "size": 5, "share": 0, "layers": None, "varnish": False, "names": [],
    }  # fmt: skip


def test_options_are_documented_where_they_are_declared():
    lines = {
        "interval": ":param interval: Seconds, or a timedelta.",
        "colour": ":param colour: The colour: ``red``,\n    or ``green``.",
        "size": ":param size: How large.",
    }
    assert parameters_of(Painting) == lines
    assert all(Painting.__doc__.count(text) == 1 for text in lines.values())
