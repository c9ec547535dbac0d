"""Enforce decisions in services: one module for each framework, which imports it only when it is imported itself."""
