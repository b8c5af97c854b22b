"""Document a parameter once, in the class that takes it first: its subclasses get the lines from there."""

from __future__ import annotations

import inspect
import re

_PARAMETER = re.compile(r"^:param (\w+):.*?(?=^:|\Z)", re.MULTILINE | re.DOTALL)


def parameters_of(cls: type) -> dict[str, str]:
    """
    Map each parameter to its ``:param`` lines in the docstring of a class.

    :param cls: The class.
    """
    docstring = inspect.cleandoc(cls.__doc__ or "")
    return {match[1]: match[0].rstrip() for match in _PARAMETER.finditer(docstring)}


def inherit_parameters(cls: type) -> None:
    """
    Add the parameters of the bases to the docstring of a class, unless it documents them itself.

    :param cls: The class, whose bases were completed in the same way.
    """
    lines: dict[str, str] = {}
    for base in cls.__bases__:
        lines |= parameters_of(base)
    own = parameters_of(cls)
    inherited = [text for name, text in lines.items() if name not in own]
    cls.__doc__ = "\n".join([inspect.cleandoc(cls.__doc__ or "").rstrip(), *inherited])
