"""Enforce decisions in services of Django: each view says which action it is, and one that does not is refused.

A view is declared by the outermost of its decorators, or as a class (`django_views.py`): what is around that,
as a cache, could answer without asking. The middleware refuses every other view.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from logging import getLogger
from typing import Any, TypeVar, Unpack, cast

from policyengine.adapters.declaring import declared, declared_apart, is_declared
from policyengine.adapters.enforcement import Decides, EnforcementPoint, Options
from policyengine.adapters.refusal import MEDIA_TYPE, Refusal, undecided
from policyengine.bound import BoundSubject
from policyengine.model.decision import Decision

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.http import HttpResponse
    from django.http.response import HttpResponseBase
    from django.utils.decorators import sync_and_async_middleware
    from django.utils.functional import LazyObject, empty
except ImportError:
    raise ImportError("this needs Django: install `policyengine-dsl[django]`") from None

from policyengine.adapters.django_requests import called, check_defaults, private, signed_in

V = TypeVar("V", bound=Callable[..., Any])


class Guard(EnforcementPoint):
    """Lets requests pass that *decider* allows.

    *subject* gives who asks, not bound, from the request: the user who is signed in, unless it is given.
    *anonymous* is who asks where nobody is signed in; None if that is refused. *context* gives the context
    from the request. *unguarded*: namespaces of URLs whose views check by themselves, as `"admin"`. The rest
    is as in `EnforcementPoint`.
    """

    def __init__(
        self, decider: Decides, *, subject: Callable[[Any], object] | None = None, anonymous: object = None,
        context: Callable[[Any], object] | None = None, unguarded: Collection[str] = (),
        **options: Unpack[Options],
    ) -> None:  # fmt: skip
        super().__init__(decider, **options)
        self.expect(subject=subject, context=context)
        self._subject, self._anonymous, self._context = subject, anonymous, context
        self._unguarded = frozenset([unguarded] if isinstance(unguarded, str) else unguarded)

    def requires(self, action: str, resource: object) -> Callable[[V], V]:
        """Return the outermost decorator for views that are *action* on *resource*.

        That is an entity, or a function which is called as the view is. The request then has `decision` and `resource`.
        """
        self.expect(resource=resource)  # there may be no policies yet, which say what actions are

        def decorate(view: V) -> V:
            check_defaults(resource, view)

            @functools.wraps(view)
            def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
                refused = self.check(request, action, resource, *args, **kwargs)
                return private(view(request, *args, **kwargs)) if refused is None else refused

            @functools.wraps(view)
            async def guarded_async(request: Any, *args: Any, **kwargs: Any) -> Any:
                refused = await self.check_async(request, action, resource, *args, **kwargs)
                if refused is not None:
                    return refused
                return private(await view(request, *args, **kwargs))

            made: Any = guarded_async if iscoroutinefunction(view) else guarded
            return cast("V", declared(made))

        return decorate

    def public(self, view: V) -> V:
        """Return *view* as one that is for everybody."""
        return declared_apart(view)

    @staticmethod
    def decision_on(request: Any) -> Decision:
        """Return the decision on *request*, `request.decision`, of which type checkers know nothing."""
        return cast("Decision", request.decision)

    @staticmethod
    def resource_of(request: Any) -> object:
        """Return what was decided about, `request.resource`."""
        return cast("object", request.resource)

    @sync_and_async_middleware  # type: ignore[untyped-decorator]  # Django has no types
    def middleware(self, get_response: Callable[..., Any]) -> Gatekeeper:
        """Return the middleware that refuses views which are not declared; put it last."""
        return Gatekeeper(self, get_response)

    def lets_alone(self, namespaces: Sequence[str]) -> bool:
        """Whether views in *namespaces*, the outermost first, check by themselves."""
        return bool(namespaces) and namespaces[0] in self._unguarded

    def check(self, request: Any, action: str, resource: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Return the answer to a request that is refused, None to one that is allowed."""
        try:
            self._is_action(action, request)
            subject = self.subject_of(self._subject(request) if self._subject else request.user)
            thing = resource(request, *args, **kwargs) if callable(resource) else resource
            context = None if self._context is None else self._context(request)
            request.decision = self.enforce(subject, action, thing, context)
        except Refusal as refusal:
            return self.response_to(refusal)
        request.resource = thing
        return None

    async def check_async(
        self, request: Any, action: str, resource: Any, /, *args: Any, **kwargs: Any
    ) -> Any:
        """Do as `check`; what is not asynchronous of what it calls is called in a thread."""
        try:
            self._is_action(action, request)
            ask = self._subject
            subject = self.subject_of(await (called(ask, request) if ask else signed_in(request)))
            is_made = callable(resource)
            thing = await called(resource, request, *args, **kwargs) if is_made else resource
            context = None if self._context is None else await called(self._context, request)
            request.decision = await self.enforce_async(subject, action, thing, context)
        except Refusal as refusal:
            return self.response_to(refusal)
        request.resource = thing
        return None

    def _is_action(self, action: str, request: Any) -> None:
        if not action:
            raise self.undeclared(f"{request.method} of `{request.resolver_match.view_name}`")

    def subject_of(self, user: Any) -> Any:
        """Return *user* itself, and not what Django wraps it in; raise `Refusal` if that is nobody."""
        while isinstance(user, LazyObject):
            if user._wrapped is empty:  # noqa: SLF001 - there is no other way to what is wrapped
                user._setup()  # noqa: SLF001 - the same
            user = user._wrapped  # noqa: SLF001 - the same
        if user is None or getattr(user, "is_anonymous", False):
            user = self._anonymous
        elif isinstance(user, BoundSubject):
            raise TypeError("`subject` gave one that is bound, so nobody sees if they are active")
        self._expect(user, resource=user)
        if not getattr(user, "is_active", True):
            raise undecided(403, "the account is not active", self._type)
        return user

    def nothing_known(self) -> Refusal:
        """Return the refusal of rows that may not be read or written."""
        return undecided(403, type_=self._type)

    def response_to(self, refusal: Refusal) -> Any:
        """Return what `answer` gives, which must be a response: without one, a view would be called."""
        response = self.answer(refusal)
        if not isinstance(response, HttpResponseBase):
            raise TypeError(f"`answer` gave no response, but a `{type(response).__name__}`")
        return response

    def answer(self, refusal: Refusal) -> Any:
        """Return the response that a refusal is; override it to show a page."""
        return private(
            HttpResponse(refusal.body, MEDIA_TYPE, refusal.status, headers=refusal.headers)
        )


class Gatekeeper:
    """The middleware: refuses views that are not declared, and answers with refusals that views raise."""

    def __init__(self, guard: Guard, get_response: Callable[..., Any]) -> None:
        self._guard, self._get_response = guard, get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            vars(self)["process_view"] = self._process_view_async

    def __call__(self, request: Any) -> Any:
        return self._get_response(request)

    def process_view(self, request: Any, view: Any, *_: Any) -> Any:
        """Return the refusal of a view that is not declared."""
        match = request.resolver_match
        if is_declared(view) or self._guard.lets_alone(match.namespaces):
            return None
        return self._guard.response_to(self._guard.undeclared(f"the view `{match.view_name}`"))

    async def _process_view_async(self, *parts: Any) -> Any:
        return type(self).process_view(self, *parts)

    def process_exception(self, _: Any, problem: Exception) -> Any:
        """Return the response that a refusal is, which a view raises, also one of models (`authorized_models.py`)."""
        from policyengine.filters.governing import AccessRefused  # few services need it

        if isinstance(problem, AccessRefused):
            getLogger("policyengine.adapters").error("what a view reads or writes: %s", problem)
            problem = self._guard.nothing_known()
        return self._guard.response_to(problem) if isinstance(problem, Refusal) else None
