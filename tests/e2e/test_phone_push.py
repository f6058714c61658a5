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
from tests.e2e.push_world import SHORT, PushWorld, Scene, Wake
from tests.e2e.support import find_pushmfa
from tests.fakes.browser_push import BrowserPushService

pytestmark = pytest.mark.e2e

CANCELED = '"verdict":"canceled"'


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
    assert enrolled.more_pushes() == 0, "rung for something that is no login"


def tell(scene: Scene) -> None:
    for name in Wake._fields if scene.wakes else ():
        took = sorted(1000 * getattr(wake, name) for wake in scene.wakes)
        line = f"median {median(took):.0f} ms of {len(took)}, at most {took[-1]:.0f} ms"
        print(f"\npush {name.replace('_', ' ')}: {line}")  # noqa: T201  for -s


def test_a_login_is_approved_from_its_push(scene: Scene) -> None:
    asked = scene.world.log_in()
    shown = scene.notified()
    assert shown.title == "A login asks"
    # Nothing else is in it, but what the browser puts in front.
    said = shown.body.removeprefix(scene.world.origin.removeprefix("http://"))
    assert said.strip() == "Open to see it."
    scene.open_card(shown)
    assert "alice" in scene.phone.text()
    scene.phone.type_number(asked.number)
    scene.phone.sees("Approved")
    scene.phone.reads("Press Enter in the terminal.")
    asked.is_in()


def test_a_login_is_denied_from_its_push(scene: Scene) -> None:
    asked = scene.world.log_in()
    asked.ssh.send_line()
    scene.open_card()
    scene.phone.press("Deny")
    scene.phone.sees("Denied")
    asked.is_out(r"pushmfa: denied on Linux\.")


def test_it_was_not_me_from_its_push(scene: Scene) -> None:
    asked = scene.world.log_in()
    asked.ssh.send_line()
    scene.open_card()
    scene.phone.unfold("It was not me")
    scene.phone.press("Deny: it was not me")
    scene.phone.sees("Denied")
    scene.phone.reads("The host knows that it was not you.")
    asked.is_out(r"pushmfa: denied on Linux\.")
    scene.world.wait_ends('"cause":"not_me"', 1)


def test_a_wrong_number_from_its_push(scene: Scene) -> None:
    asked = scene.world.log_in()
    asked.ssh.send_line()
    scene.open_card()
    scene.phone.type_number("11" if asked.number != "11" else "12")
    scene.phone.sees("Wrong number")
    asked.is_out("a wrong number was entered")


def test_nobody_answers_a_push_in_time(scene: Scene) -> None:
    asked = scene.world.log_in("short")
    asked.ssh.send_line()
    scene.open_card()
    asked.is_out(f"nobody answered within {SHORT} seconds")
    scene.phone.sees("Expired")


def test_ctrl_c_takes_the_card_of_a_push_along(scene: Scene) -> None:
    asked = scene.world.log_in()
    scene.open_card()
    asked.ssh.send(b"\x03")
    scene.phone.sees("Canceled")


def test_a_push_that_is_tapped_after_ctrl_c_asks_nothing(scene: Scene) -> None:
    known = scene.world.ends(CANCELED)
    asked = scene.world.log_in()
    shown = scene.notified()
    asked.ssh.send(b"\x03")
    scene.world.wait_ends(CANCELED, known + 1)
    scene.phone.tap(shown)
    scene.phone.sees("Nothing waits any more")


def test_two_logins_at_once_are_two_pushes(scene: Scene) -> None:
    first = scene.world.log_in()
    scene.notified()
    second = scene.world.log_in()
    scene.open_card()
    scene.phone.reads("1 more waiting")
    scene.phone.type_number(second.number)
    scene.phone.sees("Approved")
    second.is_in()
    assert first.ssh.poll() is None
    scene.phone.press("1 login waits")
    scene.phone.sees("Login")
    scene.phone.type_number(first.number)
    scene.phone.sees("Approved")
    first.is_in()


def test_the_page_is_loaded_again_in_the_middle(scene: Scene) -> None:
    asked = scene.world.log_in()
    scene.open_card()
    scene.phone.type_into_number(asked.number[0])
    scene.phone.reload()
    scene.phone.sees("Login")
    assert "alice · demo" in scene.phone.heard()
    scene.phone.type_number(asked.number)
    scene.phone.sees("Approved")
    asked.is_in()


def test_the_browser_is_started_again_in_the_middle(scene: Scene) -> None:
    scene.phone.stop()
    scene.service.wait_gone(20)
    asked = scene.world.log_in()
    scene.phone.start()
    scene.open_card(is_warm=False)
    scene.phone.type_number(asked.number)
    scene.phone.sees("Approved")
    asked.is_in()
