"""Types of a policy set, written by `policyengine stubs`: write them again when it changes."""

from __future__ import annotations

import collections.abc as _abc
import datetime as _datetime
import typing as _t

import policyengine as _p

Action: _t.TypeAlias = _t.Literal['read', 'share']


class UserRef(_t.TypedDict):
    type: _t.Literal['User']
    id: str


class ReportRef(_t.TypedDict):
    type: _t.Literal['Report']
    id: str


Clearance: _t.TypeAlias = _t.Literal['public', 'internal', 'secret']

class UserProperties(_t.TypedDict):
    clearance: _t.NotRequired[Clearance]
    left: _t.NotRequired[bool]


class User(_t.TypedDict):
    type: _t.Literal['User']
    id: str
    properties: _t.NotRequired[UserProperties]


class ReportProperties(_t.TypedDict):
    clearance: _t.NotRequired[Clearance]
    owner: _t.NotRequired[UserRef | _p.Entity]


class Report(_t.TypedDict):
    type: _t.Literal['Report']
    id: str
    properties: _t.NotRequired[ReportProperties]


Purpose: _t.TypeAlias = _t.Literal['audit', 'planning']

class ReadContext(_t.TypedDict):
    purpose: Purpose


class ShareContext(_t.TypedDict):
    pass


if _t.TYPE_CHECKING:

    class BuiltUser(_p.Entity, frozen=True):
        @property
        def clearance(self) -> Clearance: raise AttributeError

        @property
        def left(self) -> bool: raise AttributeError

        @_t.overload
        def __getitem__(self, name: _t.Literal['clearance']) -> Clearance: ...
        @_t.overload
        def __getitem__(self, name: _t.Literal['left']) -> bool: ...
        @_t.overload
        def __getitem__(self, name: str) -> object: ...
        def __getitem__(self, name: str) -> object: raise KeyError


    class BuiltReport(_p.Entity, frozen=True):
        @property
        def clearance(self) -> Clearance: raise AttributeError

        @property
        def owner(self) -> UserRef: raise AttributeError

        @_t.overload
        def __getitem__(self, name: _t.Literal['clearance']) -> Clearance: ...
        @_t.overload
        def __getitem__(self, name: _t.Literal['owner']) -> UserRef: ...
        @_t.overload
        def __getitem__(self, name: str) -> object: ...
        def __getitem__(self, name: str) -> object: raise KeyError

else:
    BuiltUser = _p.Entity
    BuiltReport = _p.Entity


class Engine(_t.Protocol):
    """A `PolicyEngine` of this policy set, as type checkers see it."""

    @_t.overload
    def decide(self, subject: User | _p.Entity, action: _t.Literal['read'], resource: Report | _p.Entity, context: ReadContext, *, now: _datetime.datetime | str | None = None, fields: _abc.Collection[str] | None = None, entities: _p.EntityStore | _abc.Iterable[object] | None = None) -> _p.Decision: ...

    @_t.overload
    def decide(self, subject: User | _p.Entity, action: _t.Literal['share'], resource: Report | _p.Entity, context: ShareContext | None = None, *, now: _datetime.datetime | str | None = None, fields: _abc.Collection[str] | None = None, entities: _p.EntityStore | _abc.Iterable[object] | None = None) -> _p.Decision: ...

    @_t.overload
    def require(self, subject: User | _p.Entity, action: _t.Literal['read'], resource: Report | _p.Entity, context: ReadContext, *, now: _datetime.datetime | str | None = None, fields: _abc.Collection[str] | None = None, entities: _p.EntityStore | _abc.Iterable[object] | None = None) -> _p.Decision: ...

    @_t.overload
    def require(self, subject: User | _p.Entity, action: _t.Literal['share'], resource: Report | _p.Entity, context: ShareContext | None = None, *, now: _datetime.datetime | str | None = None, fields: _abc.Collection[str] | None = None, entities: _p.EntityStore | _abc.Iterable[object] | None = None) -> _p.Decision: ...

    @_t.overload
    def entity(self, type: _t.Literal['User'], id: str, properties: UserProperties | None = None, /, *, parents: _abc.Iterable[object] | None = None, **attributes: _t.Unpack[UserProperties]) -> BuiltUser: ...

    @_t.overload
    def entity(self, type: _t.Literal['Report'], id: str, properties: ReportProperties | None = None, /, *, parents: _abc.Iterable[object] | None = None, **attributes: _t.Unpack[ReportProperties]) -> BuiltReport: ...


if _t.TYPE_CHECKING:
    def typed(engine: _p.PolicyEngine) -> Engine: raise TypeError
else:
    def typed(engine):
        """Return the engine, which must be of this policy set."""
        return engine
