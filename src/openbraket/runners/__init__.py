"""One module per action: parse, simulate, write the result document.

Runs only inside worker processes.
"""
