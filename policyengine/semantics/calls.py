"""Check calls: of definitions, and of what the language defines itself."""

from __future__ import annotations

from policyengine.model.types import INT, STRING, EntityRefType, RecordType, SetType, Type
from policyengine.semantics import messages
from policyengine.semantics.advice import of_conversion
from policyengine.semantics.checked import Lower, Size
from policyengine.semantics.comparisons import applied
from policyengine.semantics.guards import Guards
from policyengine.semantics.inference import Inference
from policyengine.semantics.names import TYPE, VALUE, Scope
from policyengine.semantics.vocabulary import UNKNOWN
from policyengine.syntax import nodes
from policyengine.syntax.excerpts import said
from policyengine.syntax.foreign_calls import help_of_call
from policyengine.syntax.operators import BUILT_IN


def check_call(checker: Inference, node: nodes.Call, guards: Guards) -> Type:
    """Return the type of a call; check its arguments."""
    name, arguments = node.name, node.arguments
    if name.package is None and name.name in BUILT_IN:
        return _built_in(checker, node, guards)
    if not _is_known(checker.scope, name):
        help = of_conversion(name, arguments) or help_of_call(
            name.name, name.package or "", [said(a) for a in arguments]
        )
        if not help and name.package in checker.variables:
            assert name.package is not None
            help = _of_attribute(checker, name, name.package)
        for called in checker.scope.candidates(VALUE, name.name):
            if name.package in checker.variables and isinstance(
                called.declaration, nodes.DefineDecl
            ):
                given = ", ".join([name.package or "", *map(said, arguments)])
                help = f"write `{name.name}({given})`"
        for table in checker.scope.candidates(VALUE, name.package or ""):
            if isinstance(table.declaration, nodes.ConstDecl) and len(arguments) == 1:
                help = f"write `{name.package}[{said(arguments[0])}]`"
        for type_ in checker.scope.candidates(TYPE, name.name):
            if isinstance(type_.declaration, nodes.EntityDecl):
                id_ = said(arguments[0]) if _is_text(arguments) else '"id"'
                help = f"one entity is written `{name} {id_}`"
        if help or name.package in checker.variables:
            checker.problems.append(messages.foreign_call(name, help))
            return UNKNOWN
    symbol = checker.scope.find(VALUE, name, "definition", checker.problems)
    if symbol is None:
        return UNKNOWN
    match symbol.declaration:
        case nodes.ConstDecl(type=nodes.TableOf()):
            key = said(arguments[0], "…") if arguments else "…"
            checker.problems.append(messages.called_table(name, key))
            return UNKNOWN
        case nodes.ConstDecl():
            checker.problems.append(messages.called_constant(name))
            return UNKNOWN
    assert isinstance(symbol.declaration, nodes.DefineDecl)
    definition = checker.values.definition(symbol)
    if definition is None:
        return UNKNOWN
    checker.bindings[id(node)] = definition
    parameters = definition.parameter_types
    if len(parameters) != len(arguments):
        names = [parameter.name.name for parameter in symbol.declaration.parameters]
        checker.problems.append(messages.argument_count(node, names))
    for argument, parameter in zip(arguments, parameters, strict=False):
        checker.expect(argument, parameter, guards)
    return definition.result


def _built_in(checker: Inference, node: nodes.Call, guards: Guards) -> Type:
    """Return the type of a call of what the language defines itself."""
    word, arguments = node.name.name, node.arguments
    if word == "ancestors":  # with an entity and a type it is a node of its own
        entity, above = "resource", ["Folder"]
        for argument in arguments[:1]:
            found = checker.infer(argument, guards)
            if isinstance(found, EntityRefType):
                above = sorted(checker.vocabulary.ancestors(found.name)) or above
                entity = said(argument, entity)
        checker.problems.append(messages.no_ancestors(node.span, entity, above[0]))
        return UNKNOWN
    is_size = word == "size"
    checker.bindings[id(node)] = Size() if is_size else Lower()
    if len(arguments) != 1:
        checker.problems.append(messages.argument_count(node, ["S" if is_size else "text"]))
        return INT if is_size else UNKNOWN
    found = checker.infer(arguments[0], guards)
    if not is_size:
        return applied(checker, node, [found])
    if not isinstance(found, SetType) and found not in (STRING, UNKNOWN):
        wanted = "a set or a string"
        checker.problems.append(messages.wrong_type(arguments[0].span, wanted, found))
    return INT


def check_ancestors(checker: Inference, node: nodes.Ancestors, guards: Guards) -> Type:
    """Return the type of a set of ancestors; check that they can be of the type asked for."""
    found = checker.infer(node.object, guards)
    around = checker.vocabulary.entity_name(node.type, checker.scope)
    if around is None or found is UNKNOWN:
        return UNKNOWN
    if not isinstance(found, EntityRefType):
        checker.problems.append(messages.wrong_type(node.object.span, "an entity", found))
        return UNKNOWN
    if found.name != around and around not in checker.vocabulary.ancestors(found.name):
        checker.problems.append(messages.never_within(node.span, found.name, around))
    return SetType(EntityRefType(around))


def _of_attribute(checker: Inference, name: nodes.Ident, variable: str) -> str:
    """Return what to write for the call of an attribute; empty if *variable* has none of that name."""
    match checker.variables[variable]:
        case EntityRefType(entity):
            known = checker.vocabulary.entities[entity].by_name
        case RecordType() as record:
            known = record.by_name
        case _:
            return ""
    return f"leave the parentheses out: `{name}`" if name.name in known else ""


def _is_text(arguments: tuple[nodes.Expr, ...]) -> bool:
    match arguments:
        case (nodes.Literal("string"),):
            return True
    return False


def _is_known(scope: Scope, name: nodes.Ident) -> bool:
    """Whether a declaration has the name, be it one that cannot be called here."""
    if name.package is None:
        return bool(scope.candidates(VALUE, name.name))
    return name.name in scope.names.packages.get(name.package, {}).get(VALUE, {})
