"""Have users of Django asked about, superusers or not. It may be imported by the models of a service."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser


class AsksPolicies:
    """The first base of a class of users for whom `has_perm` asks the backends, superusers or not."""

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Whether some backend allows it, before one refuses it."""
        return bool(AnonymousUser.has_perm(self, perm, obj))

    async def ahas_perm(self, perm: str, obj: Any = None) -> bool:
        """Do as `has_perm`."""
        return bool(await AnonymousUser.ahas_perm(self, perm, obj))
