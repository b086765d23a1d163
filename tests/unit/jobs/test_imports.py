"""The supervisor starts fast and runs with any interpreter."""

import json
import subprocess
import sys
from pathlib import Path

import openbraket

LIST = """
import json, sys
sys.path.append(sys.argv[1])
before = set(sys.modules)
import openbraket.jobs.supervisor
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_supervisor_imports_only_the_standard_library_and_jobs():
    package = str(Path(openbraket.__file__).parents[1])
    command = [sys.executable, "-I", "-S", "-c", LIST, package]
    done = subprocess.run(command, check=True, capture_output=True)
    others = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert others - sys.stdlib_module_names - {"openbraket"} == set()
    ours = {name for name in json.loads(done.stdout) if name.startswith("openbraket.")}
    assert all(name.startswith("openbraket.jobs") for name in ours)


def test_bootstrap_imports_nothing_of_ours():
    import ast

    path = Path(openbraket.__file__).parent / "jobs" / "braket_container.py"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert all("openbraket" not in alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert "openbraket" not in node.module
