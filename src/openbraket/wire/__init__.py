"""AWS protocols from service models: route, parse, validate, serialize, errors, SigV4.

No Braket word in here.
"""
