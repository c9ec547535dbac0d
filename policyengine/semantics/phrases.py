"""Name what expressions read in the words of a person: "your clearance", "the owner of the document".

Names become words; the subject is "you", the context "the request", and a parameter of a definition is
what was given for it. A phrase has no value of a request in it, so it may be shown wherever the policy may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import evolve, field, frozen

from policyengine.model.shown import in_words, shown_value
from policyengine.model.types import BOOL, EntityRefType, Schema, SetType, Type
from policyengine.semantics.checked import Definition, Lower, Size, Typing, Value
from policyengine.semantics.demand import private_reads
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children


@frozen
class Phrase:
    """The words for a thing; *own*: what stands before something of it, as "your" does."""

    text: str
    own: str = ""

    def of(self, name: str) -> Phrase:
        """Return the phrase for what the thing has under *name*."""
        thing = named(name)
        return Phrase(f"{self.own} {thing}" if self.own else f"the {thing} of {self.text}")

    def with_type(self, name: str, type_: Type) -> Phrase:
        """Return the phrase for what the thing has under *name*: of a bool, whether it is true."""
        if type_ == BOOL:
            return Phrase(f'whether "{in_words(name)}" is true of {self.text}')
        return self.of(name)

    def ancestors(self) -> Phrase:
        """Return the phrase for what the thing lies within."""
        return Phrase(f"what {self.text} {'lie' if self == YOU else 'lies'} within")


def named(name: str) -> str:
    """Return the words of a name, in quotes where they would not read as a noun: `reviewed_at`."""
    words = in_words(name)
    return f'"{words}"' if words.rpartition(" ")[2] in _PREPOSITIONS else words


_PREPOSITIONS: Final = frozenset(
    ["at", "by", "for", "from", "in", "of", "on", "since", "to", "until", "with"]
)


YOU: Final = Phrase("you", "your")
REQUEST: Final = Phrase("the request")
IT: Final = Phrase("it", "its")
OTHER: Final = Phrase("the other one")

_ROOTS: Final[Mapping[str, Phrase]] = {
    "subject": YOU,
    "context": REQUEST,
    "action": Phrase("this action"),
    "now": Phrase("the present time"),
}

_SIGNS: Final[Mapping[nodes.Sign, str]] = {"+": "plus", "-": "minus", "*": "times"}


@frozen(eq=False)
class View:
    """The place of an expression: its typings, the phrases for the names around it, and what may be shown.

    An expression of a rule has a typing for each target. *owners*: the names whose attributes may be
    shown to anybody; *open*: those whose values may be; *constant*: those for which constants were given.
    """

    typings: tuple[Typing, ...]
    schema: Schema
    names: Mapping[str, Phrase] = field(default=_ROOTS)
    owners: frozenset[str] = frozenset({"subject", "context", "action"})
    open: frozenset[str] = frozenset({"subject", "context", "action", "now"})
    constant: frozenset[str] = frozenset()

    def type_of(self, node: nodes.Expr) -> Type:
        """The type of a node, by the first typing."""
        return self.typings[0].type_of(node)

    def value_of(self, node: nodes.Expr) -> Value | None:
        """The value of a constant."""
        binding = self.typings[0].binding_of(node)
        return binding if isinstance(binding, Value) else None

    def called(self, node: nodes.Expr) -> Definition | None:
        """The definition that a node calls."""
        binding = self.typings[0].binding_of(node)
        return binding if isinstance(binding, Definition) else None

    def inside(self, call: nodes.Call, called: Definition) -> View:
        """Return the view of the body of the definition that *call* calls."""
        given = dict(zip(called.parameters, call.arguments, strict=True))
        owners = {name for name, node in given.items() if _name_in(node, self.owners)}
        return View(
            (called.typing,),
            self.schema,
            {**_ROOTS, **{name: self.phrase(node) for name, node in given.items()}},
            frozenset(owners),
            frozenset({"now"}.union(n for n, node in given.items() if self.may_be_shown(node))),
            frozenset(name for name, node in given.items() if self.has_constant(node)),
        )

    def within(self, quantified: nodes.Quantified) -> View:
        """Return the view of the body of a quantifier."""
        phrase = OTHER if IT in self.names.values() else IT
        return evolve(self, names={**self.names, quantified.variable.name: phrase})

    # ---- words --------------------------------------------------------------------------

    def phrase(self, node: nodes.Expr) -> Phrase:
        """Return the words for the value of *node*."""
        known = self.value_of(node)
        if known is not None:
            return Phrase(shown_value(known.type, known.value))
        match node:
            case nodes.Name("resource") if "resource" not in self.names:
                types = {str(typing.type_of(node)) for typing in self.typings}
                return Phrase(f"the {in_words(types.pop()) if len(types) == 1 else 'resource'}")
            case nodes.Name(name):
                return self.names.get(name) or Phrase(f"the {in_words(name)}")
            case nodes.Attr(object_, name):
                return self.phrase(object_).of(name.name)
            case nodes.LookUp(table, key):
                text = f"{self._table(table)} {self.phrase(key).text}"
                return Phrase(text)
            case nodes.Call(name, arguments):
                return self._call(node, name.name, arguments)
            case nodes.Ancestors(object_, name):
                above = f"the {in_words(name.name)}s that hold {self.phrase(object_).text}"
                return Phrase(above)
            case nodes.Negate(operand):
                return Phrase(f"minus {self.phrase(operand).text}")
            case nodes.Arithmetic("-", nodes.Name("now"), right) if not self._is_span(right):
                return Phrase(f"the time since {self.phrase(right).text}")
            case nodes.Arithmetic(op, left, right):
                one, other = self.phrase(left).text, self.phrase(right).text
                return Phrase(f"{one} {_SIGNS[op]} {other}")
            case nodes.If(_, yes, no):
                return Phrase(f"{self.phrase(yes).text} or {self.phrase(no).text}")
            case nodes.SetDisplay(items):
                return Phrase(" and ".join(self.phrase(item).text for item in items))
            case nodes.RecordDisplay(fields):
                parts = (f"the {in_words(f.name.name)} {self.phrase(f.value).text}" for f in fields)
                return Phrase(" and ".join(parts))
            case _:
                return Phrase("what a condition says")

    def _table(self, table: nodes.Expr) -> str:
        match table:
            case nodes.LookUp(inner, key):
                return f"{self._table(inner)} {self.phrase(key).text} and"
            case nodes.Name(name):
                return f"the {in_words(name)} for"
            case nodes.Attr(_, ident):
                return f"the {in_words(ident.name)} for"
            case _:
                return "the value for"

    def _call(self, node: nodes.Call, name: str, arguments: tuple[nodes.Expr, ...]) -> Phrase:
        binding = self.typings[0].binding_of(node)
        if not arguments:
            return Phrase(f"the {in_words(name)}")
        first = self.phrase(arguments[0])
        match binding:
            case Size() if isinstance(self.type_of(arguments[0]), SetType):
                return Phrase(f"the number of {first.text}")
            case Size():
                return Phrase(f"the length of {first.text}")
            case Lower():
                return Phrase(f"{first.text} in lower case")
            case _:
                return first.of(name)

    def _is_span(self, node: nodes.Expr) -> bool:
        return str(self.type_of(node)) in ("duration", "months")

    # ---- what may be shown --------------------------------------------------------------

    def may_be_shown(self, node: nodes.Expr) -> bool:
        """Whether every part of *node* is a constant or belongs to the subject or the context alone."""
        return all(self._may_be_shown(node, typing) for typing in self.typings)

    def _may_be_shown(self, node: nodes.Expr, typing: Typing) -> bool:
        if isinstance(typing.binding_of(node), Value):
            return True
        if any(True for _ in private_reads(node, typing, self.schema)):
            return False
        match node:
            case nodes.Name(name):
                return name in self.open
            case nodes.Attr(nodes.Name(name)) if name in self.owners:
                return True
            case nodes.Attr(object_):
                is_entity = isinstance(typing.type_of(object_), EntityRefType)
                return not is_entity and self._may_be_shown(object_, typing)
            case nodes.Call(_, arguments) if (called := self.called(node)) is not None:
                return all(self._may_be_shown(a, typing) for a in arguments) and self.inside(
                    node, called
                ).may_be_shown(called.body)
            case nodes.Arithmetic() | nodes.Negate() | nodes.LookUp() | nodes.Call():
                return all(self._may_be_shown(child, typing) for child in children(node))
            case _:
                return False

    def has_constant(self, node: nodes.Expr) -> bool:
        """Whether a constant is somewhere in *node*, or in a definition that it calls."""
        stack: list[tuple[nodes.Expr, View]] = [(node, self)]
        while stack:
            inner, view = stack.pop()
            if view.value_of(inner) is not None or _name_in(inner, view.constant):
                return True
            called = view.called(inner)
            if called is not None and isinstance(inner, nodes.Call):
                stack.append((called.body, view.inside(inner, called)))
            stack += ((child, view) for child in children(inner))
        return False


def _name_in(node: nodes.Expr, names: frozenset[str]) -> bool:
    return isinstance(node, nodes.Name) and node.name in names
