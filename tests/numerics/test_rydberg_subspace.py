"""The blockade subspace by its structure: against its definition, and what it takes in memory."""

import subprocess
import sys

import numpy as np
import pytest

from openbraket.circuits.ahs_cost import blockade_bytes
from openbraket.simulators.rydberg.register import blocked_masks, distances
from support.ahs import chain, square


def shuffled(sites):
    return [sites[i] for i in np.random.default_rng(5).permutation(len(sites))]


def configurations_of(masks: np.ndarray) -> np.ndarray:
    out = np.zeros(1, np.uint64)
    for k, mask in enumerate(masks):
        free = out[(out & mask) == 0]
        out = np.concatenate([out, free | np.uint64(1 << k)])
    return out


def energies_of(configurations: np.ndarray, couplings: np.ndarray) -> np.ndarray:
    bits = (configurations[:, None] >> np.arange(len(couplings), dtype=np.uint64)) & np.uint64(1)
    return 0.5 * np.einsum("cj,jk,ck->c", bits, couplings, bits, optimize=True)


# One block, blocks of one kind and of many, several tiles, and enough for two threads.
REGISTERS = {
    "one atom": (chain(1), 7e-6),
    "everything blocked": (square(3, 4), 1.0),
    "nothing blocked": (chain(14), 1e-6),
    "two rows blocked": (square(4, 6), 10e-6),
    "square": (square(5, 5), 7e-6),
    "square in no order": (shuffled(square(5, 5)), 7e-6),
    "long chain": (chain(25), 7e-6),
}


@pytest.mark.parametrize("name", REGISTERS)
@pytest.mark.parametrize("precision", ["", "Single"])
def test_sweeps_equal_their_definition(core, name, precision):
    sites, radius_m = REGISTERS[name]
    apart = distances(np.array(sites))
    masks, count = blocked_masks(apart < radius_m), len(sites)
    generator = np.random.default_rng(count)
    couplings = np.where(apart < radius_m, 0.0, (7e-6 / apart) ** 6)
    configurations = configurations_of(masks)
    state = np.zeros(configurations.size, complex)
    state[0] = 1
    kernel = getattr(core, "BlockadeState" + precision)(
        masks, couplings.ravel(), configurations.size
    )
    assert np.array_equal(kernel.configurations(), configurations)
    angles, turns = generator.uniform(-1, 1, (2, 3, count))
    matrices = np.empty((3, count, 2, 2), complex)
    matrices[..., 0, 0] = matrices[..., 1, 1] = np.cos(angles)
    matrices[..., 0, 1] = -1j * np.sin(angles) * np.exp(1j * turns)
    matrices[..., 1, 0] = -1j * np.sin(angles) * np.exp(-1j * turns)
    betas, directions = np.array([0.7, 0.0, -0.4]), np.array([0, 1, 0], np.uint8)
    assert kernel.apply(matrices.ravel(), directions, betas, thread_count=2)
    energies = energies_of(configurations, couplings)
    for sweep, (beta, is_descending) in enumerate(zip(betas, directions, strict=True)):
        for k in range(count)[:: -1 if is_descending else 1]:
            upper = np.flatnonzero(configurations & np.uint64(1 << k))
            lower = np.searchsorted(configurations, configurations[upper] ^ np.uint64(1 << k))
            pairs = np.stack([state[lower], state[upper]])
            state[lower], state[upper] = matrices[sweep, k] @ pairs
        state *= np.exp(-1j * beta * energies)
    allowed = 1e-12 if not precision else 1e-5
    assert np.linalg.norm(kernel.amplitudes() - state) < allowed
    ends = np.cumsum(np.abs(state) ** 2)
    draws = np.sort(generator.random(20))
    clear = np.abs(ends[:, None] - draws).min(axis=0) > 10 * allowed
    found = kernel.sample(draws)
    assert np.array_equal(found[clear], configurations[np.searchsorted(ends, draws)][clear])


def test_subspace_that_is_too_large_is_refused(core):
    masks = blocked_masks(distances(np.array(square(5, 5))) < 7e-6)
    for allowed in (0, 1, 3000, 55446):
        with pytest.raises(ValueError, match=f"more than {allowed} configurations"):
            core.BlockadeState(masks, np.zeros(625), allowed)
    assert core.BlockadeState(masks, np.zeros(625), 55447).configuration_count == 55447
    with pytest.raises(ValueError, match=r"atom_count\^2 entries"):
        core.BlockadeState(masks, np.zeros(624), 55447)


EVOLUTION = """
import sys
import numpy
from openbraket.kernels import load_variant

def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024

order = numpy.arange(30)
if sys.argv[3] == "shuffled":
    order = numpy.random.default_rng(5).permutation(30)
masks = (numpy.uint64(1) << numpy.arange(30, dtype=numpy.uint64))
blocked = (numpy.abs(order[:, None] - order) == 1) @ masks
matrices = numpy.tile(numpy.array([0.8, -0.6j, -0.6j, 0.8]), 60)
kind = getattr(load_variant(sys.argv[1]), sys.argv[2])
kind(blocked[:3], numpy.zeros(9), 100)
before = peak()
state = kind(blocked, numpy.ones(900), 1 << 22)
other = state.amplitudes()
state.apply(matrices, numpy.array([0, 1], numpy.uint8), numpy.array([0.1, 0.0]), thread_count=2)
state.exchange(other)
state.distance(other)
state.sample(numpy.linspace(0, 0.99, 1000))
assert state.configuration_count == 2178309
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize(
    ("kind", "precision"), [("BlockadeState", "double"), ("BlockadeStateSingle", "single")]
)
def test_evolution_takes_at_most_its_estimate(core, kind, precision, order):
    name = core.__name__.rpartition("_core_")[2]
    arguments = [sys.executable, "-c", EVOLUTION, name, kind, order]
    found = subprocess.run(arguments, capture_output=True, text=True, check=True)
    estimate = blockade_bytes(2178309, precision)
    assert 0.7 * estimate < int(found.stdout) <= estimate
