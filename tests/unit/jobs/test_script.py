import io
import tarfile
import zipfile

import pytest

from openbraket.jobs import script
from openbraket.jobs.script import requirement_files, unpack


def tar_with(member, content=b""):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as opened:
        member.size = len(content)
        opened.addfile(member, io.BytesIO(content))
    return target.getvalue()


def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def put(folder, name, content):
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../outside"),
        tarfile.TarInfo("a/../../outside"),
        link("link", "/etc/passwd"),
        link("link", "../../../../outside"),
        link("hard", "../../outside", tarfile.LNKTYPE),
        link("device", "", tarfile.CHRTYPE),
        link("pipe", "", tarfile.FIFOTYPE),
    ],
)
def test_tar_that_leads_out_is_refused(tmp_path, member):
    staged = put(tmp_path, "source.tar.gz", tar_with(member))
    with pytest.raises(ValueError, match=r"source\.tar\.gz is not a readable gzip archive"):
        unpack(staged, tmp_path / "code", compression_type="GZIP", bytes_max=1000)
    assert not (tmp_path / "outside").exists()


def test_absolute_name_lands_inside(tmp_path):
    staged = put(tmp_path, "source.tar.gz", tar_with(tarfile.TarInfo("/etc/file"), b"x"))
    extracted = unpack(staged, tmp_path / "code", compression_type="gzip", bytes_max=1000)
    assert (extracted / "etc" / "file").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["../outside", "/outside", "a\\..\\..\\outside"])
def test_zip_that_leads_out_is_refused(tmp_path, name):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as opened:
        opened.writestr(name, "x")
    staged = put(tmp_path, "s.zip", target.getvalue())
    with pytest.raises(ValueError, match="is not accepted"):
        unpack(staged, tmp_path / "code", compression_type="ZIP", bytes_max=1000)


def test_limits_of_an_archive(tmp_path, monkeypatch):
    staged = put(tmp_path, "source.tar.gz", tar_with(tarfile.TarInfo("big"), b"x" * 1001))
    with pytest.raises(ValueError, match="unpacks to more than the instance's 1000 bytes"):
        unpack(staged, tmp_path / "code", compression_type="GZIP", bytes_max=1000)
    monkeypatch.setattr(script, "MEMBER_COUNT_MAX", 0)
    staged = put(tmp_path, "source.tar.gz", tar_with(tarfile.TarInfo("one")))
    with pytest.raises(ValueError, match="has more than 0 members"):
        unpack(staged, tmp_path / "code", compression_type="GZIP", bytes_max=1000)


@pytest.mark.parametrize("kind", ["GZIP", "ZIP"])
@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b broken", b"PK\x03\x04 broken"])
def test_what_is_no_archive_is_refused(tmp_path, kind, content):
    staged = put(tmp_path, "source", content)
    with pytest.raises(ValueError, match="is not a readable"):
        unpack(staged, tmp_path / "code", compression_type=kind, bytes_max=1000)


def test_one_file_is_copied(tmp_path):
    staged = put(tmp_path, "main.py", b"x = 1")
    extracted = unpack(staged, tmp_path / "code", compression_type="NONE", bytes_max=1000)
    assert (extracted / "main.py").read_bytes() == b"x = 1"
    assert (tmp_path / "code" / "customer_code" / "original" / "main.py").exists()


def test_requirement_files_are_found_everywhere_but_through_links(tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "requirements.txt").touch()
    (tmp_path / "requirements.txt").symlink_to("/etc/hostname")
    assert requirement_files(tmp_path) == [tmp_path / "pack" / "requirements.txt"]
