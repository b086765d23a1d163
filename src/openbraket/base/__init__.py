"""Errors, identifiers, clock and units that every layer may use. Imports nothing of the project."""
