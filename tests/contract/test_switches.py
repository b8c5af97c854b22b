"""The probe tells every switch of the emulator apart, alone and together, and an emulator started like another."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from airflow_provider_voucherify.emulator import Emulator, EmulatorOptions
from airflow_provider_voucherify.probe import MARKER, QUESTIONS

from .conftest import LinkClock
from .probing import QUICK, probe
from .switches import NOT_ASKED, SWITCHES, covering_selection, expected_answers, name_of, single_switches

pytestmark = pytest.mark.slow

SEED = 17
MIXTURES = covering_selection(SEED)


@pytest.fixture(scope="module")
def default_answers():
    with Emulator(**QUICK) as emulator:
        return probe(emulator, LinkClock().sleep).answers


def test_every_switch_is_asked_for_or_said_not_to_be():
    fields = {field.name: field.default for field in msgspec.structs.fields(EmulatorOptions)}
    assert fields.keys() == SWITCHES.keys() | NOT_ASKED
    assert {name: fields[name] for name in SWITCHES} == {name: values[0] for name, values in SWITCHES.items()}


def test_every_question_is_in_the_documentation():
    text = Path(__file__).parents[2].joinpath("docs", "voucherify-api.md").read_text()
    assert [question.name for question in QUESTIONS if f"`{question.name}`" not in text] == []


def test_every_question_is_answered(default_answers):
    assert [question.name for question in QUESTIONS] == list(default_answers)
    assert default_answers.items() >= expected_answers({}).items()


@pytest.mark.parametrize("options", list(single_switches()), ids=name_of)
def test_a_switch_changes_the_answers_that_depend_on_it_and_no_other(options, default_answers, clock):
    with Emulator(**QUICK, **options) as emulator:
        facts = probe(emulator, clock.sleep)
        calls = sum(emulator.calls()["calls"].values())
    assert facts.answers == default_answers | expected_answers(options)
    assert facts.answers != default_answers
    assert all(facts.evidence[name] for name in facts.answers)
    assert facts.unanswered == {}
    assert calls <= facts.calls <= 60


@pytest.mark.parametrize("options", MIXTURES, ids=map(str, range(len(MIXTURES))))
def test_an_emulator_like_another_answers_every_question_alike(options, default_answers, clock):
    with Emulator(**QUICK, **options) as original:
        facts = probe(original, clock.sleep)
        orders = original.project.database.rows("SELECT metadata, status FROM orders")
    assert facts.answers == default_answers | expected_answers(options)
    assert facts.calls <= 60
    assert len(orders) <= facts.orders <= 60
    assert all(MARKER in metadata for metadata, _ in orders)
    assert {status for _, status in orders} == {"CANCELED"}
    with Emulator(**QUICK, like=msgspec.to_builtins(facts)) as copy:
        assert probe(copy, clock.sleep).answers == facts.answers


@pytest.mark.parametrize(
    ("route", "question"),
    [
        ("GET /v1/async-actions/{asyncActionId}", "action_visible"),
        ("GET /v1/exports/{exportId}", "export_visible"),
    ],
)
def test_what_becomes_visible_late_is_said_to(route, question, default_answers, clock):
    with Emulator(**QUICK, faults=[f"visible_late:route={route},seconds=1"]) as emulator:
        facts = probe(emulator, clock.sleep)
    assert facts.answers == default_answers | {question: "late"}
    with Emulator(**QUICK, like=msgspec.to_builtins(facts)) as copy:
        assert probe(copy, clock.sleep).answers == facts.answers
