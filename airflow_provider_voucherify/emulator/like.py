"""Facts of a project, as ``voucherify-probe`` writes them, as options and faults of an emulator that behaves so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

_PLANS = {
    (None, None): "unlimited",
    (100, "minute"): "business",
    (2000, "minute"): "organization",
    (100, "hour"): "sandbox",
}
_BOUNDS = {(True, True): "inclusive", (False, False): "exclusive"}
# Answers that are the value of an option under the same name.
_SAME = (
    "import_mode",
    "failed_style",
    "gzip_bodies",
    "import_limit",
    "new_updated_at",
    "metadata_style",
    "header_style",
    "export_echo",
    "export_files",
    "download_needs_keys",
    "oauth_token_seconds",
)
_LATE = {
    "action_visible": "visible_late:seconds=1,route=GET /v1/async-actions/{asyncActionId}",
    "export_visible": "visible_late:seconds=1,route=GET /v1/exports/{exportId}",
}
_FALLBACK_TOKEN_SECONDS = 900.0


class Likeness(NamedTuple):
    """How to start an emulator that behaves like a project.

    :param options: Values of :class:`EmulatorOptions` by name.
    :param faults: Faults, as on the command line.
    """

    options: dict[str, Any]
    faults: list[str]


def likeness_of(facts: Mapping[str, Any] | str | Path) -> Likeness:
    """Return how an emulator has to be started to behave like a project.

    What the emulator has no option for stays as it is, and so does what the probe left open.

    :param facts: The facts, or the file that they are in.
    :raises ValueError: if there is no such file, or it has no facts.
    """
    if not isinstance(facts, Mapping):
        try:
            facts = msgspec.json.decode(Path(facts).read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"Cannot read the facts in {facts}: {error}") from None
    answers = facts.get("answers")
    if not isinstance(answers, Mapping):
        raise ValueError("The facts have no 'answers': they are what voucherify-probe --json writes")
    bounds = facts.get("bounds", {})
    options = {name: answers[name] for name in _SAME if name in answers}
    options |= {name: value for name, find in _FOUND.items() if (value := find(answers, bounds)) is not None}
    faults = [fault for name, fault in _LATE.items() if answers.get(name) == "late"]
    return Likeness({name: value for name, value in options.items() if value != "not told"}, faults)


def _plan(answers: Mapping[str, Any], _: Mapping[str, Any]) -> str | None:
    if "rate_limit" not in answers:
        return None
    return _PLANS.get((answers["rate_limit"], answers.get("rate_period")))


def _bulk_limit(answers: Mapping[str, Any], _: Mapping[str, Any]) -> int | None:
    return answers["bulk_limit"] or 0 if "bulk_limit" in answers else None


def _window_bounds(answers: Mapping[str, Any], _: Mapping[str, Any]) -> str | None:
    return _BOUNDS.get((answers.get("after_includes_bound"), answers.get("before_includes_bound")))  # type: ignore[arg-type]


def _body_limit(answers: Mapping[str, Any], bounds: Mapping[str, Any]) -> int | None:
    size = answers.get("body_limit")
    if size == 0 and bounds.get("body_limit"):
        return int(bounds["body_limit"][0]) // 2
    return size if isinstance(size, int) else None


def _token_seconds(answers: Mapping[str, Any], bounds: Mapping[str, Any]) -> float | None:
    """Choose a life between the age at which a link still worked and the next that was tried."""
    age = answers.get("download_token_seconds")
    if not isinstance(age, int | float):
        return None
    older = [other for other in bounds.get("download_token_seconds", ()) if other > age]
    return (age + min(older)) / 2 if older else max(_FALLBACK_TOKEN_SECONDS, age * 2)


_FOUND: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Any]] = {
    "plan": _plan,
    "bulk_limit": _bulk_limit,
    "window_bounds": _window_bounds,
    "body_limit": _body_limit,
    "download_token_seconds": _token_seconds,
}
