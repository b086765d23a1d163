"""Gate and observable tables and the circuit representation, in plain Python.

No numpy, no parsing.
"""
