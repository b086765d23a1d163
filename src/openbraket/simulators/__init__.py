"""The simulators, a package each.

They share through `kernels` and `circuits`, never through each other.
"""
