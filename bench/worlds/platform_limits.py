"""Say how many requests operations of policies/x take in a time, as somebody would write it by hand."""

from __future__ import annotations

from datetime import UTC, datetime

from bench.worlds.platform_asked import App, Context, Limit, Operation

TABLES_FROM = datetime(2024, 12, 20, tzinfo=UTC)
"""Since when there are tables of all operations and tiers."""


def limits_reached(
    app: App, operation: Operation, context: Context, now: datetime
) -> list[tuple[Limit, int]]:
    """Return the limits of *operation* that are reached, and their numbers."""
    reached: list[tuple[Limit, int]] = []
    if not operation.limits or now < TABLES_FROM:
        return reached
    with_its_own = context.credential == "app_only"
    for limit in operation.limits:
        most = (limit.app if with_its_own else limit.person).get(app.tier)
        if most is not None and getattr(context, limit.count) >= most:
            reached.append((limit, most))
    return reached


def limit_says(limit: Limit, most: int, app: App, operation: Operation, context: Context) -> str:
    """Return the sentence on a limit that is reached."""
    so_far = getattr(context, limit.count)
    if operation.name == "searchPostsRecent":
        return f"{app.tier} limits recent search to {most} in 15 minutes; {so_far} so far"
    whose = "the app's token" if context.credential == "app_only" else "one person's token"
    if limit.in_all:
        whose = "the tokens of all its people"
    return (
        f"{app.tier} limits {operation.name} to {most} in {limit.time} with {whose}; "
        f"{so_far} so far"
    )
