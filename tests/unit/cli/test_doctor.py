import socket

import pytest
from typer.testing import CliRunner

from openbraket.cli import doctor
from openbraket.cli.main import app


def test_every_part_is_told_and_a_sound_machine_passes(tmp_path):
    done = CliRunner().invoke(app, ["doctor", "--port", "0", "--data-dir", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    for name in ("data directory", "records", "address", "kernels", "memory", "jobs: private view",
                 "jobs: user", "jobs: environment", "jobs: containers"):  # fmt: skip
        assert name in done.output
    assert not (tmp_path / "new").exists()


def test_port_in_use_is_said_and_is_no_obstacle():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        check = doctor.port_check("127.0.0.1", port)
    assert (check.is_ok, check.is_needed) == (False, False)
    assert str(port) in check.text


def test_data_directory_that_cannot_be_made_ends_the_command(tmp_path):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "data"
    assert not doctor.data_check(place).is_ok
    done = CliRunner().invoke(app, ["doctor", "--port", "0", "--data-dir", str(place)])
    assert done.exit_code == 1
    assert f"{tmp_path / 'file'} cannot be written to" in done.output


def test_database_that_cannot_be_used_ends_the_command_without_telling_the_password(tmp_path):
    url = "postgresql+psycopg://user:hidden@127.0.0.1:1/name"
    done = CliRunner().invoke(
        app,
        ["doctor", "--port", "0", "--data-dir", str(tmp_path)],
        env={"OPENBRAKET_DATABASE": url},
    )
    assert done.exit_code == 1
    assert "refused" in done.output
    assert "hidden" not in done.output


def test_records_in_postgresql_need_their_address(tmp_path):
    (tmp_path / "database").touch()
    check = doctor.records_check(tmp_path, "")
    assert (check.is_ok, check.is_needed) == (False, True)
    assert "--database" in check.text


def test_full_disk_is_an_obstacle(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_DISK_BYTES_MIN", 1 << 62)
    check = doctor.data_check(tmp_path)
    assert (check.is_ok, check.is_needed) == (False, True)


@pytest.mark.parametrize("check", [doctor.kernels_check, doctor.memory_check])
def test_this_machine_can_simulate(check):
    assert check().is_ok
