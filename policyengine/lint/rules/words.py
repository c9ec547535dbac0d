"""Give the examples of the lint rules a vocabulary."""

from typing import Final

WORDS: Final = """\
package docs
levels Tier = free < basic < pro
enum Status = active | held
taxonomy Use { research { academic } ads }
entity App { tier: Tier, status: Status, uses: set<Use>, age?: int }
entity Post { hidden: bool }
action read by App on Post
"""
