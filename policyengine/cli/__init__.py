"""Offer the command line `policyengine`; one file per command."""
