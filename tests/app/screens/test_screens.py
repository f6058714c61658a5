"""What a person does with the app, against a real relay and a real host."""

from pathlib import Path

from pushmfa.config.model import LoginSettings
from tests.app.screens.phone import Phone, browser, phone
from tests.integration.daemon_module import Module, sudo
from tests.integration.daemon_world import scene, within


def _other(number: str) -> str:
    return "11" if number != "11" else "12"


async def _ends(it: Phone, module: Module, verdict: str, title: str) -> None:
    if verdict == "approved":
        await it.sees(title)
        assert "Press Enter in the terminal." in await it.text()
        module.type()
    assert (await within(module.verdict()))[0] == verdict
    await it.sees(title)
    await it.check(f"end-{verdict}")
    await it.press("Done")
    await it.sees("Nothing waits")


@scene
async def test_enrolls_and_answers(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.page.goto(it.origin)
        await it.sees("Your phone, for logins")
        await it.check("start")
        await it.enroll()
        await it.check("added")
        await it.press("Done")
        await it.sees("Nothing waits")
        await it.check("home")

        module, number = await it.log_in()
        await it.sees("Login")
        assert "First time" in await it.text()
        assert "192.0.2.9" in await it.text()
        await it.check("card")
        await it.press("Approve")
        await it.page.get_by_text("Type the 2 digits").wait_for()
        await it.type_number(number)
        await _ends(it, module, "approved", "Approved")

        module, _ = await it.log_in()
        await it.sees("Login")
        assert "First time" not in await it.text()
        await it.press("Deny")
        await _ends(it, module, "denied", "Denied")

        module, _ = await it.log_in()
        await it.sees("Login")
        await it.page.get_by_text("It was not me", exact=True).click()
        await it.check("not-me")
        await it.press("Deny: it was not me")
        await _ends(it, module, "denied", "Denied")
        assert it.w.host.verdicts()[-1] == ("denied", "not_me")

        module, number = await it.log_in()
        await it.sees("Login")
        await it.type_number(_other(number))
        await _ends(it, module, "wrong_number", "Wrong number")

        await it.press("History")
        await it.sees("History")
        assert "Wrong number" in await it.text()
        await it.check("history")


@scene
async def test_what_ends_without_an_answer(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.enroll()
        await it.press("Done")

        module, number = await it.log_in()
        await it.sees("Login")
        await it.page.reload()
        await it.sees("Login")
        await it.type_number(number)
        await _ends(it, module, "approved", "Approved")

        module, _ = await it.log_in()
        await it.sees("Login")
        module.close()
        await it.sees("Canceled")
        await it.check("canceled")
        await it.press("Done")


@scene
async def test_nobody_answers_in_time(tmp_path: Path) -> None:
    login = LoginSettings(lifetime=3)
    async with browser() as chromium, phone(tmp_path, chromium, login=login) as it:
        await it.enroll()
        await it.press("Done")
        module, _ = await it.log_in()
        await it.sees("Login")
        await _ends(it, module, "expired", "Expired")


@scene
async def test_two_logins_are_two_cards(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.enroll()
        await it.press("Done")
        first, first_number = await it.log_in()
        await it.sees("Login")
        await it.page.get_by_label("Number from the terminal").fill(first_number[0])
        conn = "198.51.100.7 40999 192.0.2.1 22"
        second, second_number = await it.log_in(conn=conn)
        await it.page.get_by_text("1 more waiting").wait_for()
        field = it.page.get_by_label("Number from the terminal")
        assert await field.input_value() == first_number[0]
        assert "198.51.100.7" not in await it.text()
        await it.check("card-of-two")
        await it.press("2 logins wait")
        await it.sees("2 logins wait")
        await it.check("two")
        await it.page.get_by_role("button", name="198.51.100.7").click()
        await it.sees("Login")
        assert "192.0.2.9" not in await it.text()
        await it.type_number(second_number)
        second.type()
        assert (await within(second.verdict()))[0] == "approved"
        await it.sees("Approved")
        await it.press("1 login waits")
        await it.type_number(first_number)
        await _ends(it, first, "approved", "Approved")


@scene
async def test_hosts_are_renamed_and_removed(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.enroll()
        await it.press("Done")
        await it.press("Hosts")
        await it.sees("Hosts")
        await it.check("hosts")
        await it.page.get_by_role("button", name="web1").click()
        await it.sees("web1")
        await it.check("host")
        await it.page.get_by_label("Name on this device").fill("The big one")
        await it.press("Save")
        await it.sees("The big one")
        await it.w.host.stop()  # gone
        await it.page.get_by_text("Remove from this device").click()
        await it.press("Remove for good")
        await it.sees("Hosts")
        await it.press("Requests")
        await it.sees("Your phone, for logins")
        kept = await it.page.evaluate(KEPT)
        assert not [key for key in kept if key.startswith(("host:", "key:"))], kept


KEPT = """() => new Promise((done) => {
  indexedDB.open("pushmfa").onsuccess = ({ target }) => {
    const store = target.result.transaction("all").objectStore("all");
    store.getAllKeys().onsuccess = (event) => done(event.target.result);
  };
})"""


@scene
async def test_other_digits_leave_nothing(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.enroll(typed_as=lambda code: _turned(code), ends="Not added")
        assert "Other digits were typed" in await it.text()
        await it.check("failed")
        kept = await it.page.evaluate(KEPT)
        assert not [key for key in kept if key.startswith(("host:", "key:"))], kept


def _turned(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


@scene
async def test_links_that_are_none_for_here(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.page.goto(f"{it.origin}/#{'1' + 'A' * 22}other.example")
        await it.press("Cancel")
        await it.press("Add this device")
        field = it.page.get_by_label("Link from the terminal")
        for link, says in (
            ("https://mfa.example/#1" + "A" * 22, "Open that relay's own app"),
            ("hello", "not a link"),
            (f"{it.origin}/#1AAAA", "not complete"),
        ):
            await field.fill(link)
            await it.press("Continue")
            await it.page.get_by_role("alert").get_by_text(says).wait_for()
        await it.check("link")


HOSTILE = (
    b"sudo\0<img src=x onerror=alert(1)>\0"
    + "a\u202egnp.exe\u200b\u2066".encode()
    + b"\0\x1b[2J\x1b]0;x\x07\0\xff\xfe\0'; alert(1); '\0"
)


@scene
async def test_attack_texts_of_others_stay_texts(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.enroll()
        await it.press("Done")
        dialogs: list[str] = []
        it.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        tty = "/dev/<i>\u202e\x1b[2J"
        module = await Module.begin(it.w.host.run, sudo(command=HOSTILE, tty=tty))
        await it.sees("Command as another user (sudo)")
        text = await it.text()
        assert "<img src=x onerror=alert(1)>" in text
        assert "/dev/<i>\\u202e\\x1b[2J" in text
        assert "\\u202e" in text
        for bad in "\u202e\u200b\u2066\x1b\x07":
            assert bad not in text
        assert await it.page.locator("#app img").count() == 0
        assert dialogs == []
        await it.check("sudo")
        module.close()


@scene
async def test_german(tmp_path: Path) -> None:
    async with (
        browser() as chromium,
        phone(tmp_path, chromium, locale="de-DE", color_scheme="dark") as it,
    ):
        await it.page.goto(it.origin)
        await it.sees("Dein Telefon, für Anmeldungen")
        assert await it.page.get_attribute("html", "lang") == "de"
        await it.check("german")
