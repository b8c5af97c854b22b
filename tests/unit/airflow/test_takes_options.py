from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Annotated, Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowException, BaseOperator
from msgspec import Meta

from airflow_provider_voucherify.core.options import Options
from airflow_provider_voucherify.exceptions import ConfigurationError
from airflow_provider_voucherify.task.parameters import OptionsMixin, takes_options


class Painting(Options, frozen=True):
    """
    How to paint.

    :param colour: The colour.
    :param size: How large.
    """

    colour: str
    size: Annotated[int, Meta(ge=1)] = 5


class PaintOperator(OptionsMixin, BaseOperator):
    """
    Paint a wall.

    :param wall: Which one.
    :raises ConfigurationError: if there is no such colour.
    """

    template_fields: Sequence[str] = ("colour",)

    @takes_options(Painting)
    def __init__(self, *, wall: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wall = wall

    def execute(self, context: Any) -> Painting:
        return self._options(Painting)


def paint(**options) -> PaintOperator:
    return PaintOperator(task_id="paint", wall="north", **options)


def test_options_become_attributes_and_a_configuration():
    operator = paint(colour="red", size=7)
    assert (operator.colour, operator.size) == ("red", 7)
    assert operator.execute({}) == Painting(colour="red", size=7)
    assert paint(colour="red").execute({}) == Painting(colour="red", size=5)


def test_the_signature_has_the_options_with_their_defaults():
    parameters = inspect.signature(PaintOperator.__init__).parameters
    assert list(parameters) == ["self", "wall", "colour", "size", "kwargs"]
    assert parameters["size"].default == 5


def test_the_docstring_has_the_options_before_the_errors():
    assert PaintOperator.__doc__ == (
        "Paint a wall.\n\n:param wall: Which one.\n:param colour: The colour. (templated)\n:param size: How large.\n"
        ":raises ConfigurationError: if there is no such colour.\n"
    )


def test_options_are_checked_when_the_dag_is_parsed():
    with pytest.raises(ConfigurationError, match="size must be at least 1, got 0"):
        paint(colour="red", size=0)
    with pytest.raises(ConfigurationError, match="It is not a templated parameter"):
        paint(colour="red", size="{{ params.size }}")
    with pytest.raises((TypeError, AirflowException), match="hue"):  # the latter before Airflow 3
        paint(colour="red", hue=1)


def test_default_args_reach_the_options():
    with DAG("paint", schedule=None, start_date=None, default_args={"size": 9, "colour": "green"}):
        operator = PaintOperator(task_id="paint", wall="north")
    assert (operator.colour, operator.size) == ("green", 9)


def test_options_can_be_mapped_over():
    with DAG("paint", schedule=None, start_date=None):
        mapped = PaintOperator.partial(task_id="paint", wall="north", colour="red").expand(size=[1, 2])
    assert mapped.unmap({"size": 2}).size == 2
