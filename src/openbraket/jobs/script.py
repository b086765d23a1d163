"""The user's script: from the staged object to files that can be run."""

import os
import shutil
import tarfile
import zipfile
from pathlib import Path

MEMBER_COUNT_MAX = 100_000
REQUIREMENTS_NAME = "requirements.txt"


def unpack(staged: Path, code: Path, *, compression_type: str, bytes_max: int) -> Path:
    """Put the script where the contract has it.

    Args:
        staged: The object's file.
        code: The instance's code folder; `customer_code` is made in it.
        compression_type: `GZIP` and `ZIP`, in any case, are archives; anything else is one file.
        bytes_max: What an archive may unpack to, in bytes.

    Returns:
        `customer_code/extracted`.

    Raises:
        ValueError: If it is no such archive, has too much in it, or names files outside.
        OSError: If it cannot be read or written.
    """
    original, extracted = code / "customer_code" / "original", code / "customer_code" / "extracted"
    original.mkdir(parents=True, exist_ok=True)
    extracted.mkdir(exist_ok=True)
    copy = original / staged.name
    shutil.copyfile(staged, copy)
    kind = compression_type.lower()
    try:
        if kind == "gzip":
            _unpack_tar(copy, extracted, bytes_max)
        elif kind == "zip":
            _unpack_zip(copy, extracted, bytes_max)
        else:
            shutil.copyfile(staged, extracted / staged.name)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise ValueError(f"{staged.name} is not a readable {kind} archive: {error}") from error
    return extracted


def requirement_files(extracted: Path) -> list[Path]:
    """Return the script's `requirements.txt` files, wherever they are in it.

    Args:
        extracted: What `unpack` returned.

    Returns:
        Regular files, in the order of their paths.
    """
    return sorted(
        Path(folder, REQUIREMENTS_NAME)
        for folder, _folders, files in os.walk(extracted)
        if REQUIREMENTS_NAME in files and not Path(folder, REQUIREMENTS_NAME).is_symlink()
    )


class _Budget:
    """Counts what an archive's members say of their size, before any of them is written."""

    def __init__(self, name: str, bytes_max: int) -> None:
        self._name = name
        self._bytes_max = bytes_max
        self._bytes = 0
        self._count = 0

    def take(self, size: int) -> None:
        self._bytes += size
        self._count += 1
        if self._bytes > self._bytes_max:
            raise ValueError(
                f"{self._name} unpacks to more than the instance's {self._bytes_max} bytes"
            )
        if self._count > MEMBER_COUNT_MAX:
            raise ValueError(f"{self._name} has more than {MEMBER_COUNT_MAX} members")


def _unpack_tar(archive: Path, target: Path, bytes_max: int) -> None:
    budget = _Budget(archive.name, bytes_max)
    with tarfile.open(archive, "r:*") as opened:
        for member in opened:
            budget.take(member.size)
            # The filter refuses absolute names, names and links that lead out, and devices.
            opened.extract(member, target, filter="data")


def _unpack_zip(archive: Path, target: Path, bytes_max: int) -> None:
    budget = _Budget(archive.name, bytes_max)
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            budget.take(member.file_size)
            parts = member.filename.replace("\\", "/").split("/")
            if member.filename.startswith("/") or ".." in parts or member.flag_bits & 1:
                raise ValueError(f"{archive.name}: the member {member.filename!r} is not accepted")
            opened.extract(member, target)
