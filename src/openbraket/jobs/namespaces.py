"""The kernel's calls that a private view of files and processes needs; Linux only."""

import ctypes
import os
import signal
from collections.abc import Sequence

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT = 32
MS_BIND, MS_REC, MS_UNBINDABLE, MS_PRIVATE = 4096, 16384, 1 << 17, 1 << 18
MNT_DETACH = 2

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP = 1, 4, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 36, 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x2008_0522
_CAPABILITIES = 64
_AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = -100, 0x8000, 1
# Numbers of system calls without a function in the C library; mount_setattr's is everywhere 442.
_MOUNT_SETATTR = 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Move this process, or its later children, into new namespaces.

    Args:
        flags: `CLONE_NEW…`, or'ed.

    Raises:
        OSError: If the machine does not allow it.
    """
    _checked(_libc.unshare(flags), "unshare")


def enter_user_namespace(
    flags: int, user_id: int | None = None, group_ids: Sequence[int] = ()
) -> None:
    """Make a user namespace where users stay who they are, with other namespaces in it.

    Args:
        flags: Those beside `CLONE_NEWUSER`.
        user_id: Another user, and group, that exists in it beside this one; needs root.
        group_ids: Groups that exist in it, too; needs root.

    Raises:
        OSError: If the machine does not allow it.
    """
    users, groups = [os.geteuid()], [os.getegid()]
    if user_id is None:
        unshare(CLONE_NEWUSER | flags)
        _write_maps("self", users, groups, denies_groups=True)
        return
    users.append(user_id)
    groups = sorted({*groups, user_id, *group_ids})
    # Only a process outside may bring in users other than its own.
    source, target = os.pipe2(os.O_CLOEXEC)
    here = os.getpid()
    helper = os.fork()
    if helper == 0:
        code = 1
        try:
            os.close(target)
            if os.read(source, 1):
                _write_maps(str(here), users, groups, denies_groups=False)
                code = 0
        finally:
            os._exit(code)
    os.close(source)
    try:
        unshare(CLONE_NEWUSER | flags)
        os.write(target, b"!")
    finally:
        os.close(target)
        _, status = os.waitpid(helper, 0)
    if status != 0:
        raise OSError(f"the user {user_id} cannot be brought into a user namespace")


def _write_maps(process: str, users: list[int], groups: list[int], *, denies_groups: bool) -> None:
    texts = {
        "uid_map": "".join(f"{user} {user} 1\n" for user in users),
        "gid_map": "".join(f"{group} {group} 1\n" for group in groups),
    }
    for name, text in ({"setgroups": "deny"} | texts if denies_groups else texts).items():
        descriptor = os.open(f"/proc/{process}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount a file system, or one place at another, with the kernel's own call.

    Args:
        source: Path or name.
        target: Path.
        kind: File system; empty for a bind mount.
        flags: `MS_…`, or'ed.
        options: For the file system.

    Raises:
        OSError: If the kernel refuses.
    """
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    _checked(result, f"mount {target}")


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user")]


def make_read_only(path: str, *, recursive: bool = True) -> None:
    """Make a mount read-only.

    Args:
        path: Where it is mounted.
        recursive: Whether the mounts below are, too.

    Raises:
        OSError: If the kernel refuses, or is older than 5.12.
    """
    attributes = _MountAttributes(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.c_uint(_AT_RECURSIVE if recursive else 0),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    _checked(result, f"mount_setattr {path}")


def change_root(path: str) -> None:
    """Make a mount the root directory and let go of the old one.

    Args:
        path: A mount point.

    Raises:
        OSError: If the kernel refuses, or the machine's architecture is unknown here.
    """
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(f"pivot_root: the architecture {os.uname().machine} is not known")
    os.chdir(path)
    here = ctypes.c_char_p(b".")
    _checked(_libc.syscall(ctypes.c_long(number), here, here), "pivot_root")
    _checked(_libc.umount2(b".", MNT_DETACH), "umount of the old root")
    os.chdir("/")


def set_host_name(name: str) -> None:
    """Name the machine inside this process's UTS namespace.

    Args:
        name: At most 64 ASCII characters.

    Raises:
        OSError: If the kernel refuses.
    """
    text = name.encode("ascii")
    _checked(_libc.sethostname(text, ctypes.c_size_t(len(text))), "sethostname")


def _prctl(option: int, *arguments: int) -> int:
    values = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return int(_libc.prctl(option, *values))


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent dies.

    Credentials must not change afterwards: that takes the wish back.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide_from_trace() -> None:
    """Keep processes of the same user from reading this one's memory and descriptors."""
    _prctl(_PR_SET_DUMPABLE, 0)


def show_to_trace() -> None:
    """Give this process back its own files in `/proc`, which a change of user has taken."""
    _prctl(_PR_SET_DUMPABLE, 1)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapabilityData(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def give_up_rights(user_id: int | None = None, group_ids: Sequence[int] = ()) -> None:
    """Give up every capability, for good and for all children; become another user before.

    Args:
        user_id: Id of the user and group to become; None stays who this process is.
        group_ids: Its further groups.

    Raises:
        OSError: If the kernel refuses.
    """
    for capability in range(_CAPABILITIES):
        _prctl(_PR_CAPBSET_DROP, capability)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    if user_id is not None:
        os.setgroups(list(group_ids))
        os.setresgid(user_id, user_id, user_id)
        os.setresuid(user_id, user_id, user_id)
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapabilityData * 2)()
    _checked(_libc.capset(ctypes.byref(header), ctypes.byref(data)), "capset")
    keep_privileges_from_growing()


def has_capabilities() -> bool:
    """Return whether this process has any capability left, or cannot tell."""
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapabilityData * 2)()
    if _libc.capget(ctypes.byref(header), ctypes.byref(data)) != 0:
        return True
    return any(part.effective or part.permitted for part in data)


def look_as(user_id: int) -> None:
    """Read files, and what the kernel tells of processes, as a user would; signals as before.

    Args:
        user_id: Id of the user and group.
    """
    _libc.setfsgid(user_id)
    _libc.setfsuid(user_id)


def keep_privileges_from_growing() -> None:
    """Let no set-user-id program give this process or its children more rights."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
