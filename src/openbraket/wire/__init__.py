"""AWS protocols from service models: route, parse, validate, serialize, errors, SigV4.

Everything is compiled at start from the models in `models/`; nothing here knows what an operation
means. No Braket word in here.
"""
