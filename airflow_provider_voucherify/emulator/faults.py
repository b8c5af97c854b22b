"""The faults of a running emulator: parsed, armed, and fired by the events that trigger them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from airflow_provider_voucherify.emulator.fault_types import FAULTS, Fault

F = TypeVar("F", bound=Fault)


def make_fault(name: str, parameters: dict[str, Any]) -> Fault:
    """Check the name and parameters of a fault.

    :param name: One of :data:`FAULTS`.
    :param parameters: Values by name; text is converted.
    :raises ValueError: if the fault or a parameter is unknown, missing or out of its range.
    :return: The fault.
    """
    kind = FAULTS.get(name)
    if kind is None:
        raise ValueError(f"Unknown fault {name!r}; there are {', '.join(FAULTS)}")
    known = kind.__struct_fields__
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise ValueError(f"Fault {name} has no parameter {unknown[0]!r}; it has {', '.join(known)}")
    try:
        return msgspec.convert(parameters, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"Fault {name}: {error}") from None


def parse_fault(text: str) -> Fault:
    """Read a fault as the command line gives it.

    :param text: ``NAME`` or ``NAME:key=value,key=value``.
    :raises ValueError: if the text has another form, or :func:`make_fault` refuses it.
    :return: The fault.
    """
    name, _, rest = text.partition(":")
    parameters = {}
    for pair in rest.split(",") if rest else []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"Fault {name}: {pair!r} is not key=value")
        parameters[key.strip()] = value
    return make_fault(name.strip(), parameters)


class _Armed(Struct):
    fault: Fault
    chance: random.Random
    seen: int = 0
    fired: int = 0

    def next_fires(self) -> bool:
        fault = self.fault
        if fault.times and self.fired >= fault.times:
            return False
        self.seen += 1
        due = self.seen > fault.after and (self.seen - fault.after - 1) % fault.every == 0
        fires = due and (fault.share >= 1 or self.chance.random() < fault.share)
        self.fired += fires
        return fires


class Faults:
    """The faults of an emulator. Which event is hit depends on their order alone, not on time.

    :param routes: Labels of the routes there are, to check ``route`` against.
    """

    def __init__(self, routes: Sequence[str]) -> None:
        self._routes = routes
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(self, fault: Fault) -> None:
        """Arm a fault beside those there are.

        :param fault: The fault.
        :raises ValueError: if its route does not exist.
        """
        route = getattr(fault, "route", None)
        if route is not None and route not in self._routes:
            raise ValueError(f"Unknown route {route!r}; there are {', '.join(self._routes)}")
        with self._lock:
            self._armed.append(_Armed(fault, random.Random(fault.seed)))  # noqa: S311 (repeatable on purpose)

    def clear(self) -> None:
        """Disarm all faults."""
        with self._lock:
            self._armed.clear()

    def report(self) -> list[dict[str, Any]]:
        """Return the faults with their parameters, how many events they ``seen`` and how often they ``fired``."""
        with self._lock:
            return [{**msgspec.to_builtins(a.fault), "seen": a.seen, "fired": a.fired} for a in self._armed]

    def any(self, kind: type[Fault]) -> bool:
        """Return whether a fault of a kind is armed.

        :param kind: Class of the fault.
        """
        with self._lock:
            return any(isinstance(armed.fault, kind) for armed in self._armed)

    def fires(self, kind: type[F], route: str | None = None, concerns: Callable[[F], bool] | None = None) -> F | None:
        """Return the fault of a kind that an event triggers, if any.

        :param kind: Class of the fault.
        :param route: Label of the route, for faults that happen to requests.
        :param concerns: Whether the event is one for a fault with its parameters.
        :return: The first fault that happens to it, or None.
        """
        with self._lock:
            for armed in self._armed:
                fault = armed.fault
                if not isinstance(fault, kind):
                    continue
                wanted = getattr(fault, "route", None)
                if wanted is not None and wanted != route:
                    continue
                if (concerns is None or concerns(fault)) and armed.next_fires():
                    return fault
        return None


def matches(pattern: str | None, source_id: str | None) -> bool:
    """Return whether a source id matches the pattern of a fault.

    :param pattern: Shell pattern, or None for every order.
    :param source_id: Source id of the order, or None.
    """
    return pattern is None or (source_id is not None and fnmatchcase(source_id, pattern))
