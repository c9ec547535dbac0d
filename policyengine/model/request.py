"""Hold a request as it is asked: what a service hands in, logs, and decides again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from policyengine.model.sealed import Sealed, seal
from policyengine.model.shown import escaped, shown_entity


class Request(Sealed, frozen=True, eq=False):
    """A request as it is asked, its parts in any form that `PolicyEngine.decide` takes. It checks nothing.

    *now*: the moment that it is decided for, None for the moment at which it is. *fields*: those of the resource
    that are asked for. *entities*: others that it refers to, or a store.
    """

    subject: Any
    action: Any
    resource: Any
    context: Any = None
    now: Any = None
    fields: Any = None
    entities: Any = None

    def __post_init__(self) -> None:
        seal(self)

    @property
    def parts(self) -> tuple[Any, ...]:
        """The parts in order: subject, action, resource, context, now, fields, entities."""
        return (
            self.subject, self.action, self.resource, self.context, self.now, self.fields, self.entities,
        )  # fmt: skip

    def __eq__(self, other: object) -> bool:
        return self.parts == other.parts if type(other) is Request else NotImplemented

    def __ne__(self, other: object) -> bool:  # a struct's own does not ask `__eq__`
        return not self == other

    __hash__ = None  # type: ignore[assignment] # its parts may be dicts

    def __reduce__(self) -> tuple[Callable[..., Request], tuple[Any, ...]]:
        return Request, self.parts

    def __repr__(self) -> str:
        action = self.action if type(self.action) is str else "?"
        return f"<request: {_named(self.subject)} {escaped(action)} {_named(self.resource)}>"


def _named(part: Any) -> str:
    """Return type and id of an entity in any form: the other values are nobody's to read."""
    try:
        found = (part["type"], part["id"]) if isinstance(part, dict) else (part.type, part.id)
    except Exception:  # noqa: BLE001 - a text is never worth failing for
        return "?"
    type_, id_ = found
    return shown_entity(escaped(type_), id_) if type(type_) is str and type(id_) is str else "?"
