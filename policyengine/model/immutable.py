"""Share what never changes where it is copied."""

from __future__ import annotations

from typing import Any, Self


class Immutable:
    """A value that never changes: a copy is itself. It is pickled with its slots."""

    __slots__ = ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        return super().__reduce_ex__(max(protocol, 2))  # those before know no slots
