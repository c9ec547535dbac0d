"""Render the texts of rules with the values of a request."""

from __future__ import annotations

from policyengine.model.shown import shown_value
from policyengine.reference.evaluation import Env, evaluate, inside
from policyengine.semantics.checked import CheckedRule, SentenceText, Typing
from policyengine.semantics.phrases import View
from policyengine.syntax import nodes


def rendered(template: nodes.Template, rule: CheckedRule, env: Env) -> str:
    """Return a text of *rule* with its values.

    `?` stands for one that cannot be shown; one that may not be is named in words.
    """
    typing = rule.typings[env.target]

    text = ""
    for part in template.parts:
        if isinstance(part, str):
            text += part
        elif env.hides(part, typing):
            words = View((typing,), env.schema).phrase(part).text
            # The text may have written the article already.
            text += words.removeprefix("the ") if f" {text}".endswith((" the ", " The ")) else words
        else:
            text += _shown(part, typing, env)
    return text


def rendered_sentence(text: SentenceText, rule: CheckedRule, env: Env) -> str:
    """Return a generated text about a condition of *rule*, which shows only what everybody may see."""
    typing = rule.typings[env.target]
    return "".join(
        part if isinstance(part, str) else _shown(part.expr, *inside(part.calls, typing, env))
        for part in text
    )


def _shown(expr: nodes.Expr, typing: Typing, env: Env) -> str:
    try:
        value = evaluate(expr, typing, env)
        hash(value)  # a text that depends on the time may change at once: see `Moving`
        return shown_value(typing.type_of(expr), value)
    except Exception:  # noqa: BLE001 - a text is never worth failing for
        return "?"
