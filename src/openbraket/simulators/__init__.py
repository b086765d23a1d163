"""The simulators, a package each, and what several of them need: observables, samples, plans.

A package uses the modules of this one, `kernels` and `circuits`, never another package; `noisy`
alone, which chooses between them, knows them all.
"""
