"""Make pages about a policy set, from what it decides."""
