"""Hold the policy set that is in force, and replace it when its files change."""
