"""The files that a job's processes see: real `/opt/ml`, and nothing of other jobs.

A `FileView` is a plan; `apply` makes it, inside a mount namespace that only the job's processes
have. The view is a new root of bind mounts: the machine's own folders read-only, empty private
folders in place of the home, of `/tmp` and of the service's data, and inside these, read-only,
what the interpreter needs.
"""

import contextlib
import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from openbraket.jobs import namespaces as ns
from openbraket.jobs.mount_points import mount_point

OPT_NAMES_OF_JOBS = ("ml", "braket", "jobs")
SOCKETS_OF_CONTAINER_ENGINES = (
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
)
# Devices that a job gets: those without a machine behind them, terminals, and accelerators. Disks,
# memory and consoles are not among them, which a server that runs as root could open.
_ACCELERATORS = ("accel", "dri", "infiniband", "kfd")
_DEVICES = (
    "null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", *_ACCELERATORS
)  # fmt: skip
_ACCELERATOR = "nvidia"
# Where root's own files change the running kernel, whatever namespaces say.
_KERNEL_SETTINGS = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi")
_ROOT_OPTIONS = "size=16m,mode=755"
_EMPTY_OPTIONS = "size=1m,mode=755"
_NEVER_A_TARGET = ("/proc", "/sys", "/dev", "/usr", "/etc", "/bin", "/sbin", "/lib", "/lib64")


@dataclass(frozen=True, slots=True)
class Bind:
    """A folder or file shown at a place.

    Attributes:
        source: Path on this machine; None for an empty folder in memory.
        target: Absolute path inside the view.
        writable: Whether the job may change it.
        size_bytes: Of an empty folder, None for the least.
    """

    source: str | None
    target: str
    writable: bool = False
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class FileView:
    """A plan of what is seen.

    Attributes:
        root: An empty folder of the instance, where the view is put together.
        binds: Done from the outermost target to the innermost, whatever their order here.
        links: (text, place) of symbolic links.
        host_name: What the processes take the machine's name for.
    """

    root: str
    binds: tuple[Bind, ...]
    links: tuple[tuple[str, str], ...] = ()
    host_name: str | None = None

    def with_binds(self, *more: Bind) -> "FileView":
        """Return this view with more to see.

        Args:
            more: Added after the others.

        Returns:
            Another view.
        """
        return FileView(self.root, (*self.binds, *more), self.links, self.host_name)


def home_folders() -> list[str]:
    """Return the homes of this process's user that can be hidden: real folders, not `/`."""
    homes = {os.environ.get("HOME", "/")}
    with contextlib.suppress(KeyError):
        homes.add(pwd.getpwuid(os.geteuid()).pw_dir)
    real = {os.path.realpath(home) for home in homes if home.startswith("/")}
    return sorted(home for home in real if home != "/" and Path(home).is_dir())


def is_inside(path: str, folders: Iterable[str]) -> bool:
    """Return whether a path is one of some folders or below one.

    Args:
        path: Absolute.
        folders: Absolute.

    Returns:
        By their text alone; no link is followed.
    """
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def can_be_target(path: str, private: Iterable[str]) -> bool:
    """Return whether a folder can be shown at a path without changing this machine.

    Args:
        path: Absolute and normal.
        private: The view's own folders, in which anything can be made.

    Returns:
        True below `/opt` where nothing is in the way, in the private folders, at an unused name
        of the root directory, and at a folder that exists outside the system's own, unless links
        lead there.
    """
    if path == "/" or is_inside(path, _NEVER_A_TARGET):
        return False
    if is_inside(path, private) or is_inside(path, [f"/opt/{name}" for name in OPT_NAMES_OF_JOBS]):
        return True
    ancestor = Path(path)
    while not ancestor.exists():
        ancestor = ancestor.parent
    if str(ancestor) != os.path.realpath(ancestor):
        return False
    return str(ancestor) in {"/", "/opt"} or (str(ancestor) == path and ancestor.is_dir())


def accelerator_groups() -> tuple[int, ...]:
    """Return the groups to which this machine's accelerators belong, where these are not for all.

    Returns:
        Group ids, never root's.
    """
    found = set()
    for entry in os.scandir("/dev"):
        if entry.name in _ACCELERATORS or entry.name.startswith(_ACCELERATOR):
            is_folder = entry.is_dir(follow_symlinks=False)
            for device in os.scandir(entry.path) if is_folder else (entry,):
                status = device.stat(follow_symlinks=False)
                if stat.S_ISCHR(status.st_mode) and status.st_mode & 0o066 == 0o060:
                    found.add(status.st_gid)
    return tuple(sorted(found - {0}))


def apply(view: FileView) -> None:
    """Make a view this process's root; needs namespaces for mounts and processes of its own.

    Args:
        view: The plan.

    Raises:
        OSError: If the machine does not allow it.
    """
    root = view.root
    ns.mount("none", "/", "", ns.MS_REC | ns.MS_PRIVATE)
    ns.mount("openbraket", root, "tmpfs", ns.MS_NOSUID | ns.MS_NODEV, _ROOT_OPTIONS)
    # Else a folder bound below would contain this one again.
    ns.mount("none", root, "", ns.MS_UNBINDABLE)
    _show_machine(root)
    for bind in view.binds:
        _make_place(root, bind)
    for text, place in view.links:
        with contextlib.suppress(FileExistsError):
            Path(root + place).symlink_to(text)
    # Kernels before 5.12 cannot; the folders are then as writable as the user's rights make them.
    with contextlib.suppress(OSError):
        ns.make_read_only(root)
    flags = ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC
    ns.mount("proc", f"{root}/proc", "proc", flags)
    _protect_kernel_settings(root)
    for bind in sorted(view.binds, key=lambda bind: bind.target.count("/")):
        _show(root, bind)
    for socket in SOCKETS_OF_CONTAINER_ENGINES:
        if Path(root + socket).exists():
            ns.mount("/dev/null", root + socket, "", ns.MS_BIND)
    if view.host_name is not None:
        ns.set_host_name(view.host_name)
    ns.change_root(root)


def _show_machine(root: str) -> None:
    for folder, left_out in (("/", ("proc", "dev", "opt")), ("/opt", OPT_NAMES_OF_JOBS)):
        Path(root + folder).mkdir(exist_ok=True, parents=True)
        if not Path(folder).is_dir():
            continue
        for entry in os.scandir(folder):
            target = root + entry.path
            if entry.is_symlink():
                Path(target).symlink_to(Path(entry.path).readlink())
            elif entry.name not in left_out:
                _make_target(entry.path, target)
                ns.mount(entry.path, target, "", ns.MS_BIND | ns.MS_REC)
    Path(f"{root}/proc").mkdir(exist_ok=True, parents=True)
    _show_devices(root)


def _show_devices(root: str) -> None:
    Path(f"{root}/dev").mkdir(exist_ok=True)
    for entry in os.scandir("/dev"):
        if entry.is_symlink():
            Path(root + entry.path).symlink_to(Path(entry.path).readlink())
        elif entry.name in _DEVICES or entry.name.startswith(_ACCELERATOR):
            _make_target(entry.path, root + entry.path)
            ns.mount(entry.path, root + entry.path, "", ns.MS_BIND | ns.MS_REC)


def _protect_kernel_settings(root: str) -> None:
    for name in _KERNEL_SETTINGS:
        place = f"{root}/proc/{name}"
        if Path(place).exists():
            ns.mount(place, place, "", ns.MS_BIND)
            flags = ns.MS_RDONLY | ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC
            ns.mount("none", place, "", ns.MS_BIND | ns.MS_REMOUNT | flags)


def _make_target(source: str | None, target: str) -> None:
    if source is None or Path(source).is_dir():
        Path(target).mkdir(exist_ok=True, parents=True)
    elif not Path(target).exists():
        Path(Path(target).parent).mkdir(exist_ok=True, parents=True)
        Path(target).touch()


def _make_place(root: str, bind: Bind) -> None:
    """Make the target while the new root itself can still be written to, and only there."""
    ancestor = Path(root + bind.target)
    while not ancestor.exists():
        ancestor = ancestor.parent
    if ancestor.stat().st_dev == Path(root).stat().st_dev:
        _make_target(bind.source, root + bind.target)


def _show(root: str, bind: Bind) -> None:
    is_folder = bind.source is None or Path(bind.source).is_dir()
    with mount_point(root, bind.target, is_folder=is_folder) as place:
        if bind.source is None:
            size = bind.size_bytes
            options = _EMPTY_OPTIONS if size is None else f"size={size},mode=1777"
            ns.mount("openbraket", place, "tmpfs", ns.MS_NOSUID | ns.MS_NODEV, options)
            return
        ns.mount(bind.source, place, "", ns.MS_BIND | ns.MS_REC)
    if not bind.writable:
        # Opened again: what is mounted there now.
        with (
            mount_point(root, bind.target, is_folder=is_folder) as place,
            contextlib.suppress(OSError),
        ):
            ns.make_read_only(place)
