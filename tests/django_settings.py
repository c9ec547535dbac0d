"""Configure Django once for all tests of a process; a process can have one configuration."""

from __future__ import annotations

import django
from django.conf import settings

CONTRIB = ("contenttypes", "auth", "sessions", "messages", "admin")

if not settings.configured:
    settings.configure(
        USE_TZ=True,
        SECRET_KEY="of tests",  # which keep nothing
        INSTALLED_APPS=[f"django.contrib.{name}" for name in CONTRIB],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
            "postgresql": {"ENGINE": "django.db.backends.postgresql"},
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        ROOT_URLCONF="",  # each request names its own
    )
    django.setup()
