"""Gather every construct of the language under one name: the syntax tree, frozen, with its spans.

The tree has what was written, not what it means: the results of later stages are in tables beside it.
Two nodes are equal if the same text was written; spans do not count.
"""

from policyengine.syntax.declarations import *  # noqa: F403 - all of them, as `nodes.Rule` and so on
from policyengine.syntax.expressions import *  # noqa: F403 - likewise
from policyengine.syntax.node import *  # noqa: F403 - likewise
