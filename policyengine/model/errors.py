"""Define the exceptions for integrators: a small family."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from policyengine.diagnostics.diagnostic import Diagnostics


_NO_JSON: Final = frozenset(["PE515", "PE516", "PE517", "PE518", "PE531"])
_NO_REQUEST: Final = frozenset(["PE505", "PE514", "PE521"])
_ENVELOPE: Final = frozenset(
    ["", "context", "fields", "entities", "now", "evaluations", "options", "options.evaluations_semantic"]
    + [part + of for part in ("subject", "action", "resource") for of in ("", ".type", ".id", ".name", ".properties")]
)  # fmt: skip
"""The paths of what is a part of every request, whatever the policies."""


class Problem(Struct, frozen=True):
    """One thing of a request, an entity or a store that does not fit the schema.

    *code* is stable (`PE505`); *path* says where (`subject.properties.tier`, empty for the whole);
    *message* says what is wrong and, where it is known, what would be right. Neither path nor
    message shows a private value.
    """

    code: str
    path: str
    message: str

    @property
    def is_malformed(self) -> bool:
        """Whether a document is no request in AuthZEN's JSON (status 400), rather than one that fits no policy."""
        of_envelope = self.path in _ENVELOPE or self.path.startswith("evaluations[")
        return self.code in _NO_JSON or (self.code in _NO_REQUEST and of_envelope)

    def __str__(self) -> str:
        return f"{self.path}: {self.message} [{self.code}]".removeprefix(": ")


class PolicyError(Exception):
    """The base of all exceptions of this package. They are pickled and copied with all their data."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        # Without `__init__`, which in each class takes something else than the text.
        return _remade, (type(self), self.args), self.__dict__


class InvalidPolicy(PolicyError):  # noqa: N818 - the public name says what is the matter
    """A policy set has errors, so it was not loaded; *diagnostics* has them as data."""

    def __init__(self, diagnostics: Diagnostics, text: str) -> None:
        super().__init__(text)
        self.diagnostics = diagnostics


class InvalidRequest(PolicyError):  # noqa: N818 - the public name says what is the matter
    """A request, an entity or a store does not fit the schema; *problems* says all of it.

    *named*: type and id of subject and resource, where objects of registered classes were given: for a record of it.
    """

    def __init__(
        self, problems: Iterable[Problem], *, named: tuple[object, object] | None = None
    ) -> None:
        self.problems = tuple(problems)
        self.named_ = named
        super().__init__("\n".join(map(str, self.problems)))


class UnhandledObligation(PolicyError):  # noqa: N818 - the public name says what is the matter
    """Obligations have no handler: those that rules may owe, when a set is loaded, or of a decision."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__("nothing is registered for: " + ", ".join(self.names))


class StaleSubject(PolicyError):  # noqa: N818 - the public name says what is the matter
    """A subject was bound longer ago than its `max_age`: bind it again, with its current values.

    Also where the clock was set back to before it was bound, and does not say how long ago that was.
    """

    def __init__(self, type_: str, id_: str) -> None:
        from policyengine.model.shown import shown_entity  # to load a set takes no values

        super().__init__(
            f"{shown_entity(type_, id_)} was bound longer ago than it may be: bind it again"
        )


class NotReloaded(PolicyError):  # noqa: N818 - the public name says what is the matter
    """A policy set was not put in force, though it loads: `PolicyHolder.last_error` says why.

    Its own tests did not pass, its files changed while they were read, its version is not higher than that of the set
    in force, or the store does not fit it.
    """


class NotRecorded(PolicyError):  # noqa: N818 - the public name says what is the matter
    """A decision was made and could not be recorded, so it is not given: nothing may be done because of it."""


def _remade(class_: type[PolicyError], args: tuple[Any, ...]) -> PolicyError:
    return class_.__new__(class_, *args)
