import pytest

from openbraket.jobs.doctor import view_finding
from support.instances import Ear, Workplace


@pytest.fixture(scope="session")
def environments(tmp_path_factory):
    return tmp_path_factory.mktemp("environments")


@pytest.fixture
def workplace(tmp_path, environments):
    place = Workplace(tmp_path / "data", environments, Ear())
    yield place
    place.close()


@pytest.fixture(scope="session")
def view_allowed():
    return view_finding()


@pytest.fixture
def needs_view(view_allowed):
    if not view_allowed.ok:
        pytest.skip(view_allowed.text)


@pytest.fixture(params=["view", "plain"])
def private_view(request, view_allowed):
    """Both ways to run an instance, the first where the machine allows it."""
    if request.param == "view" and not view_allowed.ok:
        pytest.skip(view_allowed.text)
    return request.param == "view"
