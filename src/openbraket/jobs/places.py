"""Where an instance's parts lie, on this machine and as its processes see them."""

import contextlib
import hashlib
import json
import os
import posixpath
import shutil
import stat
from pathlib import Path

from openbraket.jobs.directory import JobDirectory
from openbraket.jobs.spec import JobSpec
from openbraket.jobs.users import USER_NAME
from openbraket.jobs.variables import PROGRAM, Places, input_data_config, resource_config
from openbraket.jobs.view import Bind, FileView, can_be_target, home_folders, is_inside

CHECKPOINTS_ELSEWHERE = "/opt/ml/checkpoints"
PRIVATE_TMP = ("/tmp", "/var/tmp")  # noqa: S108 - replaced by folders of the job's own
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - replaced by one of the job's own
_FOLDERS = (
    "input/config", "model", "output/data", "output/intermediate", "code", "additional_setup",
)  # fmt: skip


def address(spec: JobSpec, number: int) -> str:
    """Return the address at which an instance is found by its peers.

    Args:
        spec: The attempt's specification.
        number: The instance, from 1.

    Returns:
        Where all instances are on one machine, one of its own, 127.x.y.number; x and y follow from
        the job, so that instances of different jobs can bind the same port.
    """
    if spec.addresses:
        return spec.addresses[number - 1]
    digest = hashlib.sha256(spec.job_id.encode()).digest()
    return f"127.{1 + digest[0] % 254}.{digest[1]}.{number}"


def host_names(spec: JobSpec) -> tuple[str, ...]:
    """Return `algo-1`, `algo-2`, … of a job."""
    return tuple(f"algo-{number}" for number in range(1, spec.instance_count + 1))


def private_places(spec: JobSpec) -> Places:
    """Return the contract's own paths, as a private view gives them."""
    wanted = posixpath.normpath("/" + spec.checkpoint_path.lstrip("/"))
    if is_inside(wanted, ["/opt/braket"]):
        wanted = "/opt/ml" + wanted.removeprefix("/opt/braket")
    homes = home_folders()
    possible = can_be_target(wanted, [*homes, *PRIVATE_TMP]) and wanted not in {
        "/opt/ml", *PRIVATE_TMP, *homes,
    }  # fmt: skip
    return Places(
        ml="/opt/ml",
        braket="/opt/braket",
        checkpoints=spec.checkpoint_path if possible else CHECKPOINTS_ELSEWHERE,
        home=homes[0] if homes else PRIVATE_TMP[0],
        tmp=PRIVATE_TMP[0],
        hosts=host_names(spec),
    )


def open_places(directory: JobDirectory, spec: JobSpec, number: int) -> Places:
    """Return the instance's own paths, for machines without private views."""
    instance = directory.instance(number)
    return Places(
        ml=str(instance.ml),
        braket=str(instance.ml),
        checkpoints=str(directory.checkpoints),
        home=str(instance.home),
        tmp=str(instance.tmp),
        hosts=tuple(address(spec, peer + 1) for peer in range(spec.instance_count)),
    )


def make_folders(directory: JobDirectory, number: int) -> None:
    """Make the folders of an instance and put the bootstrap in its place.

    Args:
        directory: The attempt's.
        number: The instance, from 1.

    Raises:
        OSError: If they cannot be made.
    """
    instance = directory.instance(number)
    for name in _FOLDERS:
        (instance.ml / name).mkdir(parents=True, exist_ok=True)
    for folder in (instance.tmp, instance.home, instance.path / "root"):
        folder.mkdir(exist_ok=True)
    instance.tmp.chmod(0o1777)
    shutil.copyfile(Path(__file__).with_name(PROGRAM), instance.code / PROGRAM)


def write_documents(directory: JobDirectory, spec: JobSpec, number: int, places: Places) -> None:
    """Write the configuration files of an instance.

    Args:
        directory: The attempt's.
        spec: Its specification.
        number: The instance, from 1.
        places: What the script sees.

    Raises:
        OSError: If they cannot be written.
    """
    config = directory.instance(number).ml / "input" / "config"
    for name, document in (
        ("hyperparameters", spec.hyperparameters),
        ("resourceconfig", resource_config(number, places)),
        ("inputdataconfig", input_data_config(spec)),
    ):
        (config / f"{name}.json").write_text(json.dumps(document))


def link_input(directory: JobDirectory, number: int) -> None:
    """Lead `input/data` to the staged channels, for machines without private views.

    Args:
        directory: The attempt's.
        number: The instance, from 1.

    Raises:
        OSError: If the link cannot be made.
    """
    link = directory.instance(number).ml / "input" / "data"
    if not link.is_symlink():
        link.symlink_to(directory.input_data)


def private_view(
    directory: JobDirectory,
    spec: JobSpec,
    number: int,
    needed: set[str],
    user_id: int | None = None,
) -> FileView:
    """Return what an instance sees.

    Args:
        directory: The attempt's.
        spec: Its specification.
        number: The instance, from 1.
        needed: Folders that the interpreter needs.
        user_id: Who looks; None for this process's user.

    Returns:
        A view that hides the service's data, the home and temporary files of this machine.

    Raises:
        OSError: If the job's own versions of system files cannot be written.
    """
    instance = directory.instance(number)
    homes = home_folders()
    private = [
        *(Bind(str(instance.tmp), os.path.realpath(folder), True) for folder in PRIVATE_TMP),
        *(Bind(str(instance.home), folder, True) for folder in homes),
    ]
    data = os.path.realpath(spec.data_directory)
    hidden = [bind.target for bind in private] + [data]
    # An empty folder that can be passed through, in place of one that only root can.
    closed = [] if user_id is None else _closed_folders(needed, hidden)
    hidden += closed
    kept = sorted(path for path in needed if is_inside(path, hidden) and path not in hidden)
    kept = [path for path in kept if not is_inside(path, [k for k in kept if k != path])]
    at = os.path.realpath(SHARED_MEMORY)
    memory = Bind(None, at, True, max(spec.limits.memory_bytes // 2, 1 << 20))
    shown = [
        Bind(str(instance.ml), "/opt/ml", writable=True),
        Bind(str(directory.input_data), "/opt/ml/input/data", writable=True),
        Bind(str(directory.checkpoints), _checkpoint_target(spec), writable=True),
    ]
    shown += _system_files(instance.path, spec, homes, user_id)
    empty = [Bind(None, folder) for folder in (data, *closed)]
    return FileView(
        root=str(instance.path / "root"),
        binds=(*private, memory, *empty, *(Bind(path, path) for path in kept), *shown),
        links=(("/opt/ml", "/opt/braket"),),
        host_name=f"algo-{number}",
    )


def _checkpoint_target(spec: JobSpec) -> str:
    target = posixpath.normpath(private_places(spec).checkpoints)
    if is_inside(target, ["/opt/braket"]):
        return "/opt/ml" + target.removeprefix("/opt/braket")
    return target


def _closed_folders(needed: set[str], hidden: list[str]) -> list[str]:
    """Return the outermost folders on the way to needed ones that only their owner passes."""
    found = set()
    for path in map(os.path.realpath, needed):
        with contextlib.suppress(FileNotFoundError):
            for folder in reversed(Path(path).parents):
                if str(folder) == "/" or is_inside(str(folder), hidden):
                    continue
                if not folder.stat().st_mode & stat.S_IXOTH:
                    found.add(str(folder))
                    break
    return sorted(found)


def _system_files(folder: Path, spec: JobSpec, homes: list[str], user_id: int | None) -> list[Bind]:
    """Write a job's own versions of files in `/etc`, where the machine has them."""
    added = {
        "/etc/hosts": "".join(
            f"{address(spec, number)} {name}\n"
            for number, name in enumerate(host_names(spec), start=1)
        )
    }
    if user_id is not None:
        home = homes[0] if homes else PRIVATE_TMP[0]
        added["/etc/passwd"] = f"{USER_NAME}:x:{user_id}:{user_id}::{home}:/bin/sh\n"
        added["/etc/group"] = f"{USER_NAME}:x:{user_id}:\n"
    binds = []
    for name, lines in added.items():
        if Path(name).exists():
            own = folder / Path(name).name
            own.write_text(Path(name).read_text(errors="replace").rstrip("\n") + "\n" + lines)
            binds.append(Bind(str(own), os.path.realpath(name)))
    return binds
