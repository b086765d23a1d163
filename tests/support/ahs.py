"""Analog programs for tests, and their exact evolution by definition."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from openbraket.circuits.ahs import (
    C6_RAD_M6_PER_S,
    AhsProgram,
    DrivingField,
    FieldSeries,
    TimeSeries,
)

FAR_M = 1e-3


def series(
    times: Sequence[float], values: Sequence[float], pattern: Sequence[float] | None = None
) -> FieldSeries:
    return FieldSeries(
        TimeSeries(tuple(times), tuple(values)), None if pattern is None else tuple(pattern)
    )


def driven(
    sites: Sequence[tuple[float, float]],
    times: Sequence[float],
    amplitude: Sequence[float],
    detuning: Sequence[float],
    phase: Sequence[float] | None = None,
    **more,
) -> AhsProgram:
    """A uniform drive on filled sites; all three series have the same times."""
    drive = DrivingField(
        series(times, amplitude),
        series(times, phase or [0.0] * len(times)),
        series(times, detuning),
    )
    return AhsProgram(
        tuple(tuple(s) for s in sites),
        more.pop("filling", (1,) * len(sites)),
        (drive,),
        **more,
    )


def sweep(sites: Sequence[tuple[float, float]]) -> AhsProgram:
    """The adiabatic sweep of 4 µs to an ordered state."""
    return driven(
        sites, [0, 0.25e-6, 3.75e-6, 4e-6], [0, 15.7e6, 15.7e6, 0], [-55e6, -55e6, 55e6, 55e6]
    )


def chain(count: int, spacing_m: float = 6.1e-6) -> list[tuple[float, float]]:
    return [(k * spacing_m, 0.0) for k in range(count)]


def square(rows: int, columns: int, spacing_m: float = 6.7e-6) -> list[tuple[float, float]]:
    return [(i * spacing_m, j * spacing_m) for i in range(rows) for j in range(columns)]


def bits_of(atom_count: int) -> np.ndarray:
    return (np.arange(1 << atom_count)[:, None] >> np.arange(atom_count)) & 1


def energies(sites: Sequence[tuple[float, float]]) -> np.ndarray:
    """V of every configuration, by the definition."""
    out = np.zeros(1 << len(sites))
    bits = bits_of(len(sites))
    for j, a in enumerate(sites):
        for k, b in enumerate(sites[:j]):
            r = np.hypot(a[0] - b[0], a[1] - b[1])
            out += C6_RAD_M6_PER_S / r**6 * bits[:, j] * bits[:, k]
    return out


def hamiltonian(
    potential: np.ndarray, rabi: np.ndarray, phases: np.ndarray, detuning: np.ndarray
) -> np.ndarray:
    """The documented H as a dense matrix; bit k of an index is atom k."""
    count = rabi.size
    out = np.diag(potential - bits_of(count) @ detuning).astype(complex)
    for c in range(1 << count):
        for k in range(count):
            if not c >> k & 1:
                out[c, c | 1 << k] += rabi[k] / 2 * np.exp(1j * phases[k])
                out[c | 1 << k, c] += rabi[k] / 2 * np.exp(-1j * phases[k])
    return out


def exponentials(pieces: Sequence[tuple[float, np.ndarray]]) -> np.ndarray:
    """The state after constant Hamiltonians, each for its duration."""
    state = np.zeros(pieces[0][1].shape[0], dtype=complex)
    state[0] = 1
    for duration, matrix in pieces:
        state = expm(-1j * duration * matrix) @ state
    return state


def lindblad(
    pieces: Sequence[tuple[float, np.ndarray]], configurations: np.ndarray, rate: float
) -> np.ndarray:
    """The final distribution of atoms in |g> whose |r> decays to |g>, by dense superoperators.

    `configurations` says which the rows of the Hamiltonians are.
    """
    size = configurations.size
    place = {int(c): i for i, c in enumerate(configurations)}
    eye, loss = np.eye(size), np.zeros((size * size, size * size), dtype=complex)
    for k in range(int(configurations.max()).bit_length()):
        jump = np.zeros((size, size))
        for c, i in place.items():
            if c >> k & 1:
                jump[place[c ^ 1 << k], i] = 1
        number = jump.T @ jump
        loss += rate * (np.kron(jump, jump) - np.kron(number, eye) / 2 - np.kron(eye, number) / 2)
    state = np.zeros(size * size, dtype=complex)
    state[place[0]] = 1
    for duration, matrix in pieces:
        turn = -1j * (np.kron(eye, matrix) - np.kron(matrix.T, eye))
        state = expm(duration * (turn + loss)) @ state
    return np.diag(state.reshape(size, size)).real


def integrated(program: AhsProgram) -> np.ndarray:
    """The state after a uniform drive without phase, by a general-purpose integrator."""
    sites = [s for s, f in zip(program.sites_m, program.filling, strict=True) if f]
    potential, count = energies(sites), bits_of(len(sites)).sum(axis=1)
    drive = program.driving_fields[0]
    times = drive.amplitude.series.times_s
    flips = [np.arange(potential.size) ^ (1 << k) for k in range(len(sites))]

    def slope(t: float, state: np.ndarray) -> np.ndarray:
        rabi = np.interp(t, times, drive.amplitude.series.values)
        detuning = np.interp(t, times, drive.detuning.series.values)
        out = (potential - detuning * count) * state
        for flip in flips:
            out = out + rabi / 2 * state[flip]
        return -1j * out

    state = np.zeros(potential.size, dtype=complex)
    state[0] = 1
    for first, last in pairwise(times):
        state = solve_ivp(slope, (first, last), state, method="DOP853", rtol=1e-11, atol=1e-13).y[
            :, -1
        ]
    return state
