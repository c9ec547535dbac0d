"""Hold what a search found, and say how far it came.

A token has a place in the order of the entities, which says nothing of them, and a digest of that place and
the question. It chooses where a search begins and nothing else: every entity that is found is decided about.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from msgspec import Struct

from policyengine.intake.foreign import plain
from policyengine.intake.store_index import PLACE_SIZE
from policyengine.model.errors import InvalidRequest, Problem

_DIGEST_SIZE: Final = 16
_TOKEN_SIZE: Final = (_DIGEST_SIZE + PLACE_SIZE) * 4 // 3 + 1
"""The characters of a token, without the padding of its encoding."""
_SPELLED: Final = re.compile("[A-Za-z0-9_-]*")


Item = TypeVar("Item")


class Page(Struct, Generic[Item], frozen=True):
    """A part of the answer to a reverse question: entities or actions that are allowed, in no order of note.

    *items*: those that are allowed. *unfit*: those that were looked at and make no request that fits the
    schema, so they are not allowed; `decide` says what is wrong. *token*: asks for the page that comes after
    this one; None if this is the last. A page may have no items and not be the last.
    """

    items: tuple[Item, ...]
    unfit: tuple[Item, ...]
    token: str | None

    if not TYPE_CHECKING:  # so that mypy reports `if page:` (`truthy-bool`)

        def __bool__(self) -> bool:
            raise TypeError("a page is neither true nor false: ask `page.items` or `page.complete`")

    @property
    def complete(self) -> bool:
        """Whether nothing comes after this page."""
        return self.token is None


def question_digest(*parts: str) -> bytes:
    """Return the digest of a question, on which the tokens of its pages depend."""
    lengths = ",".join(str(len(part)) for part in parts)
    text = "\0".join((lengths, *parts)).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=_DIGEST_SIZE).digest()


def token_of(question: bytes, place: bytes) -> str:
    """Return the token that asks for what comes after *place*."""
    check = blake2b(place, key=question, digest_size=_DIGEST_SIZE).digest()
    return urlsafe_b64encode(place + check).decode().rstrip("=")


def place_of(question: bytes, token: object, *, of_any_size: bool = False) -> bytes:
    """Return the place after which the page begins that *token* asks for; raises `InvalidRequest`."""
    text = plain(token)
    if (
        not isinstance(text, str)
        or not _SPELLED.fullmatch(text)
        or not _is_size(text, of_any_size=of_any_size)
    ):
        raise no_token()
    place = urlsafe_b64decode(text + "=" * (-len(text) % 4))[:-_DIGEST_SIZE]
    if token_of(question, place) != text:
        message = (
            "the token is damaged, or of another question, or of a policy set that was replaced:"
            " begin again"
        )
        raise _refused("PE561", message)
    return place


def no_token() -> InvalidRequest:
    """Return what to raise for a token that no page had."""
    return _refused("PE560", "this is no token of a page")


def _is_size(text: str, *, of_any_size: bool) -> bool:
    """Whether Base64 has texts of that size, and a token may have it."""
    return len(text) % 4 != 1 if of_any_size else len(text) == _TOKEN_SIZE


def _refused(code: str, message: str) -> InvalidRequest:
    return InvalidRequest([Problem(code, "token", message)])
