"""Refuse settings that do not fit where they are given, and not later, where they are needed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Coroutine, Generator, Iterable
from itertools import islice
from os import PathLike, fspath
from threading import TIMEOUT_MAX
from typing import Any, Final

_UNDONE: Final = Awaitable | Generator | AsyncGenerator | map | filter
_MOST_CALLED: Final = 100
"""Functions of which a hook gives the results together, at most."""


def check_seconds(name: str, given: Any, *, least: float | None = None) -> None:
    """Raise `TypeError` or `ValueError` unless a setting is a number of seconds above 0, or at least *least*.

    None is longer than threads can wait for.
    """
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError(f"`{name}` is a number of seconds, and not {shown_type(given)}")
    if not (given > 0 if least is None else given >= least):
        bound = "above 0" if least is None else f"from {least:g} on"
        raise ValueError(f"`{name}` is a number of seconds {bound}, not {given!r}")
    if given > TIMEOUT_MAX:
        raise ValueError(f"`{name}` is a number of seconds of at most {int(TIMEOUT_MAX):,}")


def check_count(name: str, given: Any, least: int = 1) -> None:
    """Raise `TypeError` or `ValueError` unless a setting is a whole number from *least* on."""
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(f"`{name}` is a whole number, and not {shown_type(given)}")
    if given < least:
        raise ValueError(f"`{name}` is a whole number from {least:,} on, not {given!r}")


def check_truth(name: str, given: Any) -> None:
    """Raise `TypeError` unless a setting is True or False: the text `false` would be taken for true."""
    if given is not True and given is not False:
        raise TypeError(f"`{name}` is True or False, and not {shown_type(given)}")


def check_called(name: str, given: Any, *, optional: bool = True) -> None:
    """Raise `TypeError` unless a setting is a function or, if it is *optional*, None."""
    if not callable(given) and not (optional and given is None):
        raise TypeError(f"`{name}` is a function, and not {shown_type(given)}")


def check_hook(name: str, given: Any) -> None:
    """Raise `TypeError` unless a setting is a function, or an object that can be called, or None.

    Calling a class makes another object of it, and none of them would have done anything.
    """
    if isinstance(given, type):
        raise TypeError(
            f"`{name}` is a function, and not the class {given.__name__}: make one of it"
        )
    check_called(name, given)


def check_class(
    name: str, given: Any, class_: type, advice: str = "", *, optional: bool = True
) -> None:
    """Raise `TypeError` unless a setting is of *class_* or, if it is *optional*, None."""
    if not (given is None and optional) and not issubclass(type(given), class_):
        said = f"`{name}` is of the class {class_.__name__}, and not {shown_type(given)}"
        raise TypeError(said + (advice and f": {advice}"))


def check_text(name: str, given: Any) -> None:
    """Raise `TypeError` unless a setting is a string."""
    if not isinstance(given, str):
        raise TypeError(f"`{name}` is a string, and not {shown_type(given)}")


def check_texts(given: Iterable[Any]) -> None:
    """Raise `TypeError` unless the texts of policy files are strings."""
    for text in given:
        if not isinstance(text, str):
            raise TypeError(f"the text of a policy file is a string, and not {shown_type(text)}")


def check_paths(given: Iterable[Any]) -> None:
    """Raise `TypeError` unless the paths of policy files are strings, or objects that have one as path."""
    for path in given:
        if not isinstance(path, str | PathLike) or not isinstance(fspath(path), str):
            raise TypeError(
                f"a path is a string or a `Path`, each given by itself, and not {shown_type(path)}"
            )


def check_done(name: str, found: object) -> None:
    """Raise `TypeError` if a function that was called has done nothing yet: *found* is asynchronous, or a generator or the like.

    So has one that calls several, `lambda decision: (log(decision), send(decision))`, if one of them is.
    """
    if found is None:
        return
    several: Iterable[object] = found if isinstance(found, tuple | list) else (found,)
    undone = [one for one in islice(several, _MOST_CALLED) if isinstance(one, _UNDONE)]
    if not undone:
        return
    for one in undone:
        if isinstance(one, Coroutine):
            one.close()  # which nobody awaits
    raise TypeError(
        f"`{name}` is asynchronous, or a generator, and has done nothing: give a function that does it when it is called"
    )


def shown_type(given: object) -> str:
    """Return of which type something is, for messages about settings."""
    return "None" if given is None else f"of the type {type(given).__name__}"
