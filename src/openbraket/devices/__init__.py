"""The catalogue: a data file per device gives its capabilities document, limits and checks.

No numpy.
"""
