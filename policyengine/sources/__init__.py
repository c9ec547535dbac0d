"""Fetch the entities that a decision needs from where a service keeps them."""
