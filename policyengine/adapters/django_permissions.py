"""Answer `user.has_perm(permission, object)` of Django by policies, also in its admin."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_permission_codename, get_user_model
from django.contrib.auth.backends import BaseBackend
from django.core.checks import Error, register
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.utils.module_loading import import_string

from policyengine.adapters.django import Guard
from policyengine.adapters.django_users import AsksPolicies
from policyengine.adapters.refusal import Refusal
from policyengine.filters.authorized_models import AuthorizedManager

_OF_ONE: Final = frozenset({"view", "change", "delete"})


class PolicyBackend(BaseBackend):  # type: ignore[misc]  # Django has no types
    """A backend that answers for the permissions in *actions*, by the action that each is; no other is asked about these.

    Without an object the answer is no. So it is where an allow comes with obligations, since who asks for a permission
    does not see them: such views are for `Guard.requires`. *superusers*: whether Django may let active superusers do
    everything without asking, as it does unless the first base of their class is `AsksPolicies`.
    """

    guard: Guard
    actions: Mapping[str, str] = {}
    superusers = False

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Whether policies allow *user_obj* the action that *perm* is, on *obj*; False for a permission that is none."""
        action = self.actions.get(perm)
        if action is None:
            return False
        if obj is not None and self._allows(user_obj, action, obj):
            return True
        raise PermissionDenied  # so that no other backend is asked

    async def ahas_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Do as `has_perm`, in a thread, since what policies read may be in the database."""
        return bool(await sync_to_async(self.has_perm)(user_obj, perm, obj))

    def _allows(self, user: Any, action: str, obj: Any) -> bool:
        try:
            decision = self.guard.ask(self.guard.subject_of(user), action, obj)
        except Refusal:
            return False
        return decision.allowed is True and not decision.obligations


class GuardedAdmin:
    """The first base of a `ModelAdmin` whose pages of one object ask for permissions on that object.

    Lists, forms and what is saved are governed by the manager of the model, which must be an `AuthorizedManager`.
    """

    def __init__(self, model: Any, *more: Any) -> None:
        if not isinstance(model._default_manager, AuthorizedManager):
            raise ImproperlyConfigured(
                f"the default manager of `{model.__name__}` is no `AuthorizedManager`"
            )
        super().__init__(model, *more)  # type: ignore[call-arg]  # of the class that it is a base of

    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        return self._may("view", request, obj) or self._may("change", request, obj)

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return self._may("change", request, obj)

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return self._may("delete", request, obj)

    def has_add_permission(self, request: Any) -> bool:
        return self._may("add", request, None)

    def get_actions(self, request: Any) -> dict[str, Any]:
        """Return the actions, each of which asks for the permissions that it needs on each object that it is for."""
        found = super().get_actions(request)  # type: ignore[misc]  # of the class that it is a base of
        return {name: (_on_each(action), name, *more) for name, (action, _, *more) in found.items()}

    def _may(self, verb: str, request: Any, obj: Any) -> bool:
        if obj is None:
            return bool(request.user.is_active and request.user.is_staff)
        options: Any = self.opts  # type: ignore[attr-defined]  # of the class that it is a base of
        name = get_permission_codename(verb, options)
        return bool(request.user.has_perm(f"{options.app_label}.{name}", obj))


def _on_each(action: Any) -> Any:
    """Return *action*, which is refused unless each object may be viewed, changed or deleted where it needs that."""
    needed = _OF_ONE.intersection(getattr(action, "allowed_permissions", ()))

    @functools.wraps(action)
    def asking(pages: Any, request: Any, queryset: Any) -> Any:
        for verb in sorted(needed):
            may = getattr(pages, f"has_{verb}_permission")
            if not all(may(request, one) for one in queryset):
                raise PermissionDenied
        return action(pages, request, queryset)

    return asking


@register("security")  # type: ignore[untyped-decorator]  # Django has no types
def check_backends(**_: object) -> Iterable[Error]:
    """Find what would allow a permission of which a `PolicyBackend` is to decide."""
    backends = [import_string(path) for path in settings.AUTHENTICATION_BACKENDS]
    ours = [n for n, one in enumerate(backends) if issubclass(one, PolicyBackend)]
    for at in ours:
        if at > ours.index(at):
            hint = "put it first in AUTHENTICATION_BACKENDS"
            yield Error(
                "another backend may allow what policies deny",
                hint=hint,
                obj=backends[at],
                id="policyengine.E001",
            )
        if not backends[at].superusers and not _asks_policies(get_user_model()):
            hint = "derive the class of users from `AsksPolicies` first, or say `superusers = True` in the backend"
            yield Error(
                "superusers may do what policies deny",
                hint=hint,
                obj=backends[at],
                id="policyengine.E002",
            )


def _asks_policies(users: Any) -> bool:
    """Whether permissions of *users* are those that `AsksPolicies` finds, and no other base is asked before it."""
    return all(
        getattr(users, name, None) is getattr(AsksPolicies, name)
        for name in ("has_perm", "ahas_perm")
    )
