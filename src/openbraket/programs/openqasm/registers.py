"""What a name can mean: qubit registers, bit registers and classical variables."""

from dataclasses import dataclass, field

from openbraket.programs.openqasm.values import Value


@dataclass(slots=True)
class QubitRegister:
    """A declared qubit or register of qubits.

    Attributes:
        name: Its name.
        start: Index of its first qubit among all declared qubits.
        size: Number of qubits.
        is_single: Whether it was declared without brackets.
    """

    name: str
    start: int
    size: int
    is_single: bool


@dataclass(slots=True)
class BitRegister:
    """A declared bit or register of bits, or the anonymous one of `measure q;`.

    Attributes:
        name: Its name; empty for the anonymous register.
        size: Number of bits; the anonymous register grows.
        is_single: Whether it was declared without brackets.
        sources: From a bit's index to the qubit that was last measured into it.
    """

    name: str
    size: int
    is_single: bool
    sources: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Variable:
    """A classical variable, constant or input.

    Attributes:
        type_name: Name of its type.
        value: Its value; None for an input that was not given.
        is_const: Whether it cannot be assigned.
    """

    type_name: str
    value: Value | None
    is_const: bool


Symbol = QubitRegister | BitRegister | Variable
