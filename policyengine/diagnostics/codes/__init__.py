"""Collect the entries of all diagnostic codes, in the order of their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from policyengine.diagnostics.codes.bugs import BUGS
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.codes.data import DATA
from policyengine.diagnostics.codes.naming import NAMES
from policyengine.diagnostics.codes.syntax import SYNTAX
from policyengine.diagnostics.codes.type_checks import TYPES

CODES: Mapping[str, Code] = MappingProxyType(
    {code.number: code for code in (*SYNTAX, *NAMES, *TYPES, *DATA, *BUGS)}
)
