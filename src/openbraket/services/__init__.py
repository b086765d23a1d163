"""One module per operation family: wire input to records and back.

The only place where engine errors become modeled errors.
"""
