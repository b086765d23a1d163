"""The demonstration: real programs through unmodified clients, shown in the terminal.

Each module is one program that also stands alone; `tests/contract` runs the same functions.
"""

from openbraket.cli.demo.show import run_demo

__all__ = ["run_demo"]
