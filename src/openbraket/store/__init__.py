"""Tables, queries and migrations of the records, and the group-commit writer.

No life-cycle decision.
"""
