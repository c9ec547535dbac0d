"""Give decisions to `logging`, each with its record as a field that handlers for JSON write."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from policyengine.model.settings import check_called, check_count, shown_type
from policyengine.record.record_text import asked_text, record_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from policyengine.model.decision import Decision


class LoggedDecisions:
    """A hook for `PolicyEngine.with_record`: logs each decision, allows and denies at a level of their own.

    The message says who was allowed or denied what, in one line. The field `decision` (`LogRecord.decision`) is the
    record, from *to_log*, by default `Decision.to_log`; it is made only if the level is enabled.
    """

    def __init__(
        self,
        logger: logging.Logger | str = "policyengine.decisions",
        *,
        allowed: int = logging.INFO,
        denied: int = logging.WARNING,
        to_log: Callable[[Decision], dict[str, Any]] | None = None,
    ) -> None:
        check_called("to_log", to_log)
        check_count("allowed", allowed, 0)
        check_count("denied", denied, 0)
        if not (isinstance(logger, str) or hasattr(logger, "isEnabledFor")):
            raise TypeError(
                f"`logger` is one of `logging`, or its name, and not {shown_type(logger)}"
            )
        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self._allowed, self._denied, self._to_log = allowed, denied, to_log

    def __call__(self, decision: Decision) -> None:
        """Log a decision."""
        level = self._allowed if decision.allowed else self._denied
        if not self._logger.isEnabledFor(level):
            return
        record = record_of(decision, self._to_log)
        said = "allow" if decision.allowed else "deny"
        self._logger.log(
            level,
            "%s: %s (%s)",
            said,
            asked_text(record),
            record.get("cause"),
            extra={"decision": record},
        )
