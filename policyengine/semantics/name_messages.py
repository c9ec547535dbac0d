"""Word the diagnostics of names that mean no value; see `messages.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.spell import nearest
from policyengine.model.types import EntityRefType, Type
from policyengine.semantics.advice import help_of_name
from policyengine.semantics.messages import brought_in_by, listed
from policyengine.semantics.names import Declared
from policyengine.syntax import nodes
from policyengine.syntax.written_values import as_name

_ROOTS: Final = ("subject", "resource", "action", "context")


def no_name(
    ident: nodes.Ident,
    known: Mapping[str, str],
    elsewhere: Sequence[str],
    owners: Sequence[str],
    wanted: Type | None = None,
    called_by_type: Sequence[str] = (),
) -> Diagnostic:
    """A name that means nothing where a value is wanted.

    *known*: how each value that has a name is written. *elsewhere*: the packages that are not imported
    and have a constant of that name. *wanted*: the type of a value there, if that is known. *owners*: the
    variables that have an attribute of that name. *called_by_type*: the variables whose type is called so.
    """
    name = ident.name
    if owners:
        help = f"write {listed(f'{owner}.{name}' for owner in owners)}"
    elif name in _ROOTS:
        given = f"{name}.…" if name in ("action", "context") else name
        help = f"only a rule knows it: give it to a definition as an argument, `name({given})`"
    elif elsewhere:
        help = brought_in_by(sorted(set(elsewhere)))
    elif called_by_type:
        help = f"write {listed(called_by_type)}"
    else:
        near = nearest(name, known)
        help = help_of_name("name", name) or (f"did you mean `{known[near]}`?" if near else "")
        if not help and isinstance(wanted, EntityRefType):
            help = f'one entity is written `{wanted.name} "{name}"`'
    return error("PE201", ident.span, f"there is no name `{ident}`", help)


def as_value(declaration: Declared, variables: Mapping[str, Type]) -> str:
    """Return how a constant is read, or a definition or a table is used where there are *variables*."""
    match declaration:
        case nodes.DefineDecl(name, parameters):
            return f"{name.name}({', '.join(_argument(one, variables) for one in parameters)})"
        case nodes.ConstDecl(name, nodes.TableOf()):
            return f"{name.name}[…]"
        case nodes.ConstDecl(name):
            return name.name
    return ""


def _argument(parameter: nodes.Parameter, variables: Mapping[str, Type]) -> str:
    """Return the variable that is an entity of the type of a parameter, if only one is; else its own name."""
    type_ = parameter.type
    wanted = EntityRefType(type_.name.name) if isinstance(type_, nodes.NamedType) else None
    fitting = [name for name, found in variables.items() if found == wanted]
    return fitting[0] if len(fitting) == 1 else parameter.name.name


def no_value(
    ident: nodes.Ident, declaration: Declared, variables: Mapping[str, Type]
) -> Diagnostic:
    """The name of a declaration that is no value."""
    name = ident.name
    match declaration:
        case nodes.DefineDecl():
            what, help = "a definition", f"write `{as_value(declaration, variables)}`"
        case nodes.EntityDecl():
            what, help = "an entity type", f'one entity is written `{ident} "id"`'
        case nodes.EnumDecl(_, members) | nodes.LevelsDecl(_, members) if members:
            what, help = "a type", f"one of its values is written `{_member(name, members[0])}`"
        case nodes.TaxonomyDecl(_, terms) if terms:
            what, help = (
                "a taxonomy",
                f"one of its terms is written `{_member(name, terms[0].name)}`",
            )
        case nodes.ActionDecl():
            what, help = (
                "an action",
                f'write `action.name == "{name}"`, or name it after the colon of the rule',
            )
        case nodes.GroupDecl():
            what, help = "a group of actions", "name it after the colon of the rule"
        case _:
            what, help = "no value", ""
    return error("PE201", ident.span, f"`{ident}` is {what}, and a value is wanted here", help)


def _member(of: str, member: nodes.Ident) -> str:
    quoted = as_name(member.name)
    return quoted if quoted != member.name else f"{of}.{quoted}"
