"""Refuse what an application of Flask serves without a declaration.

What is known of a view and of its class is looked at before anything else is done with a request. The object
that Flask makes of a class may have other methods than its class. So what Flask asks `ensure_sync` for, just
before it calls that, is looked at again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from flask import Flask, request
from flask.views import MethodView, View
from werkzeug.routing import RequestRedirect, Rule

from policyengine.adapters.declaring import is_declared
from policyengine.adapters.refusal import Refusal

_READ_ONLY: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LEADING_ON: Final = {
    MethodView.dispatch_request.__code__,
    *filter(inspect.iscode, inspect.unwrap(View.as_view).__func__.__code__.co_consts),
}
"""The code of the views that Flask makes of classes, and of what chooses their methods."""


def refuse_undeclared(
    app: Flask, public: frozenset[str], undeclared: Callable[..., Refusal]
) -> None:
    """Refuse what *app* serves without a declaration, but the *public* endpoints, if they only read.

    *undeclared* gives the refusal of something, and logs what that is.
    """
    logged: set[str] = set()  # by rule, since clients may choose the method
    is_answering = ContextVar("is_answering", default=False)
    preprocess, dispatch, ensure = app.preprocess_request, app.dispatch_request, app.ensure_sync

    def refusal() -> Refusal:
        where = str(request.url_rule or "where a function redirects")
        is_new = where not in logged
        logged.add(where)
        return undeclared(f"{request.method} {where}", log=is_new)

    def look() -> bool:
        """Whether what answers has to be declared; raise `Refusal` if it is known that it is not."""
        rule = request.url_rule
        if rule is None:
            known = _redirects_as_declared(app)
        elif _answers_by_itself(rule) or _is_public(rule, public):
            return False
        else:
            known = _declares(app.view_functions[rule.endpoint])
        if not known:
            raise refusal()
        return rule is not None

    @functools.wraps(preprocess)
    def preprocess_request(*args: Any) -> Any:
        look()
        return preprocess(*args)

    @functools.wraps(dispatch)
    def dispatch_request(*args: Any) -> Any:
        token = is_answering.set(look())  # again: there may be another rule by now
        try:
            return dispatch(*args)
        finally:
            is_answering.reset(token)

    @functools.wraps(ensure)
    def ensure_sync(function: Any) -> Any:
        if is_answering.get():
            leads_on = not is_declared(function)
            if leads_on and not _is_of_flask(function):
                raise refusal()
            is_answering.set(leads_on)
        return ensure(function)

    for step in (preprocess_request, dispatch_request, ensure_sync):
        vars(app)[step.__name__] = step


def _answers_by_itself(rule: Rule) -> bool:
    """Whether Flask answers, and no view: `OPTIONS`."""
    return request.method == "OPTIONS" and bool(getattr(rule, "provide_automatic_options", False))


def _is_public(rule: Rule, names: frozenset[str]) -> bool:
    return rule.endpoint in names and rule.methods is not None and rule.methods <= _READ_ONLY


def _redirects_as_declared(app: Flask) -> bool:
    """Whether a request without a rule is redirected by no function of a rule that is not declared."""
    if not isinstance(request.routing_exception, RequestRedirect):
        return True
    found = [one.redirect_to for one in app.url_map.iter_rules() if callable(one.redirect_to)]
    return all(map(is_declared, found))


def _declares(view: Any) -> bool:
    """Whether a view is declared, or, as its class has it, the method that answers the request."""
    if is_declared(view):
        return True
    class_ = getattr(view, "view_class", None)
    if class_ is None or not _is_of_flask(view):  # which may not call it
        return False
    if class_.dispatch_request is not MethodView.dispatch_request:
        return is_declared(class_.dispatch_request)
    method = getattr(class_, request.method.lower(), None)
    if method is None and request.method == "HEAD":
        method = getattr(class_, "get", None)
    return is_declared(method)


def _is_of_flask(function: Any) -> bool:
    """Whether this is a view that Flask made of a class, or what chooses its method: they call what they ask `ensure_sync` for."""
    return getattr(function, "__code__", None) in _LEADING_ON
