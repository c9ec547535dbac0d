"""Enforce decisions in services of Flask: a decorator says which action a view is, and views that say nothing are refused."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any, Unpack

from policyengine.adapters.declaring import E, declared, declared_apart
from policyengine.adapters.enforcement import Decides, EnforcementPoint, Options
from policyengine.adapters.explain_budget import ExplainBudget
from policyengine.adapters.refusal import MEDIA_TYPE, Refusal
from policyengine.model.decision import Decision

try:
    from flask import Flask, Response, current_app, g
    from werkzeug.local import LocalProxy
except ImportError:
    raise ImportError("this needs Flask: install `policyengine-dsl[flask]`") from None

from policyengine.adapters.flask_gatekeeper import refuse_undeclared

__all__ = ["ExplainBudget", "Guard", "Refusal"]


class Guard(EnforcementPoint):
    """Lets requests pass that *decider* allows.

    *subject* gives who asks, and *context*, if there is one, the context; both are called while a request is
    handled. The rest is as in `EnforcementPoint`.
    """

    def __init__(
        self,
        decider: Decides,
        *,
        subject: Callable[[], object],
        context: Callable[[], object] | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(decider, **options)
        self.expect(subject=subject, context=context)
        self._subject = subject
        self._context = context

    def requires(self, action: str, resource: object) -> Callable[[E], E]:
        """Return the outermost decorator, below `route`, for views that are *action* on *resource*.

        That is an entity, or a function of arguments of the view: of those that it names, or of all with
        `**`. `g` then has the `resource` and the `decision`.
        """
        self.expect(action, resource=resource)
        taken, takes_all = _taken(resource)

        def decorate(view: E) -> E:
            signature = inspect.signature(view)
            parameters = signature.parameters.values()
            if all(one.kind is not one.VAR_KEYWORD for one in parameters):
                _check_given(taken, signature.parameters)
            defaults = {one.name: one.default for one in parameters if one.default is not one.empty}

            @functools.wraps(view)
            def guarded(*args: Any, **given: Any) -> Any:
                placed = signature.bind_partial(*args).arguments if args else {}
                if takes_all and "self" not in taken:
                    placed.pop("self", None)
                named = {**defaults, **placed, **given}  # also what the view takes by `**`
                _check_given(taken, named)
                self.check(
                    action, resource, {n: v for n, v in named.items() if takes_all or n in taken}
                )
                return current_app.ensure_sync(view)(*args, **given)

            made: Any = declared(guarded)
            decorated: E = made
            return decorated

        return decorate

    def public(self, view: E) -> E:
        """Return *view* as one that is for everybody."""
        return declared_apart(view)

    @property
    def decision(self) -> Decision:
        """The decision on the request that is handled, which is also in `g`."""
        decision: Decision = g.decision
        return decision

    def check(self, action: str, resource: Any, given: dict[str, Any]) -> None:
        """Raise `Refusal` unless the request is allowed; *given* are the arguments of the view."""
        subject = _itself(self._subject())
        about = resource(**given) if subject is not None and callable(resource) else resource
        context = None if self._context is None else self._context()
        decision = self.enforce(subject, action, _itself(about), context)
        g.decision, g.resource = decision, about

    def install(self, app: Flask, *, public: Collection[str] = ()) -> None:
        """Refuse what *app* serves without a declaration, before all else that is done with a request.

        *public*: the endpoints that are for everybody and only read, as `"static"`.
        """
        app.register_error_handler(Refusal, _answer)  # refused by Flask once requests were handled
        names = frozenset([public] if isinstance(public, str) else public)
        refuse_undeclared(app, names, self.undeclared)


def _taken(resource: Any) -> tuple[frozenset[str], bool]:
    """Return the names of those arguments of a view that *resource* takes, and whether it takes all others, too."""
    found = inspect.signature(resource).parameters.values() if callable(resource) else ()
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    kinds = {one.kind for one in found}
    return frozenset(one.name for one in found if one.kind not in several), several[1] in kinds


def _check_given(taken: Collection[str], given: Collection[str]) -> None:
    """Raise `TypeError` if one is not *given*: by a default of its own a resource would be another one than that of the view."""
    if lacking := [name for name in taken if name not in given]:
        name = min(lacking)
        raise TypeError(f"the resource takes `{name}`, which the view does not")


def _itself(found: Any) -> Any:
    """Return what a proxy stands for, such as the user of an extension."""
    return found._get_current_object() if isinstance(found, LocalProxy) else found  # noqa: SLF001 - documented


def _answer(refusal: Refusal) -> Response:
    return Response(refusal.body, refusal.status, refusal.headers, content_type=MEDIA_TYPE)
