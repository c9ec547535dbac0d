"""Store decimals and moments exactly in every database, also in SQLite, which has a type for neither."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

try:
    from sqlalchemy import BigInteger, DateTime, Dialect, Numeric, TypeDecorator
except ModuleNotFoundError:
    wanted = "this needs SQLAlchemy: install `policyengine-dsl[sqlalchemy]`"
    raise ModuleNotFoundError(wanted, name="sqlalchemy") from None
from sqlalchemy.types import TypeEngine

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
PLACES: Final = 4
"""The digits of a decimal after the point."""


class ExactDecimal(TypeDecorator[Decimal]):
    """Decimals of 18 digits, 4 of them after the point: `NUMERIC(18, 4)`, in SQLite whole ten-thousandths.

    SQLAlchemy's own `Numeric` is a floating-point number in SQLite.
    """

    impl = Numeric(18, PLACES)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return BigInteger() if dialect.name == "sqlite" else Numeric(18, PLACES)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        scaled = value.scaleb(PLACES)
        if scaled != int(scaled):
            raise ValueError(f"{value} has more than {PLACES} digits after the point")
        return int(scaled)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        sqlite = value is not None and dialect.name == "sqlite"
        found: Decimal | None = Decimal(value).scaleb(-PLACES) if sqlite else value
        return found


class Instant(TypeDecorator[datetime]):
    """Moments in UTC: `TIMESTAMP WITH TIME ZONE`, in SQLite whole microseconds since 1970.

    SQLAlchemy's own `DateTime` is a text in SQLite, which drops the time zone.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return BigInteger() if dialect.name == "sqlite" else DateTime(timezone=True)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return (value - _EPOCH) // _MICROSECOND if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = _EPOCH + value * _MICROSECOND if dialect.name == "sqlite" else value
        return moment.astimezone(UTC)
