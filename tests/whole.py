"""Say how much is tried of what is long: a share by `make test`, all of it by `make whole`."""

from __future__ import annotations

import os
from typing import Final

WHOLE: Final = os.environ.get("WHOLE") == "1"


def share(count: int, of: int) -> int:
    """Return one in *of* of *count*, at least one; *count* where all is tried."""
    return count if WHOLE else max(1, count // of)
