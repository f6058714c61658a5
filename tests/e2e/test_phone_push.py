"""From nothing to an open shell by a push: enrolled, app closed, tapped, typed.

Run with -s it tells how long the wake-ups took.
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from pushmfa.demo.main import PEOPLE
from pushmfa.demo.sandbox import Sandbox
from tests.e2e.push_phone import PushPhone
from tests.e2e.push_world import PushWorld, Scene
from tests.e2e.support import find_pushmfa
from tests.fakes.browser_push import BrowserPushService

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def enrolled(module: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A phone with notifications, enrolled for alice by a link."""
    folder = tmp_path_factory.mktemp("phone")
    with (
        BrowserPushService(tmp_path_factory.mktemp("push-service")) as service,
        Sandbox(module=module, programs=find_pushmfa()[:1]) as sandbox,
    ):
        sandbox.add_people(PEOPLE)
        world = PushWorld(sandbox, service)
        with PushPhone(folder, service.options, world.origin) as phone:
            scene = Scene(world, phone, service)
            scene.enroll()
            yield scene
        tell(scene)


@pytest.fixture
def scene(enrolled: Scene) -> Iterator[Scene]:
    """The same, with the app closed and its links gone."""
    enrolled.put_away()
    yield enrolled
    assert enrolled.service.problems == []


def tell(scene: Scene) -> None:
    for name in ("to_notification", "to_card"):
        took = sorted(1000 * getattr(wake, name) for wake in scene.wakes)
        line = f"push {name}: median {median(took):.0f} ms of {len(took)}"
        print(f"\n{line}, at most {took[-1]:.0f} ms")  # noqa: T201  for -s


def test_a_login_is_approved_from_its_push(scene: Scene) -> None:
    asked = scene.world.log_in()
    shown = scene.notified()
    assert shown.title == "A login asks"
    assert shown.body.endswith("Open to see it.")
    for secret in ("alice", "demo", asked.number):
        assert secret not in shown.body.removeprefix(scene.world.origin)
    scene.open_card(shown)
    assert "alice" in scene.phone.text()
    scene.phone.type_number(asked.number)
    scene.phone.sees("Approved")
    scene.phone.reads("Press Enter in the terminal.")
    asked.is_in()
