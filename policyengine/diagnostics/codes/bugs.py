"""List the codes of our own bugs: PE9xx. Nobody should ever see one."""

from __future__ import annotations

from policyengine.diagnostics.codes.code import Code

_REPORT = "Please report it with the file that shows it."

BUGS = (
    Code(
        "PE901", "formatter-failed", "The formatter would have changed what a file says.",
        "Every formatted file is parsed again before it is written. Where that gives another tree, "
        f"or a comment is gone, the file stays as it is. {_REPORT}",
        "$ policyengine fmt docs.policy",
        "",
    ),
    Code(
        "PE902", "evaluators-disagree", "The compiled policies and their meaning disagree.",
        "Tests evaluate each request twice: with the compiled functions and with the interpreter "
        f"that defines what policies mean. Both must make the same decision. {_REPORT}",
        "$ policyengine test docs.policy",
        "",
    ),
)  # fmt: skip
