"""The pictures of the README, taken from the running system: `make screenshots`.

    sudo python -m tests.app.pictures.take docs/images

Relay, daemon, sshd and sudo are real, in the demo's sandbox; the app runs in Debian's
Chromium, as large as a phone and with a phone's font. Terminals are drawn from what the
programs wrote. Nothing in a picture is written by hand but what a person types.
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

from pushmfa.demo.main import PEOPLE
from pushmfa.demo.parts import Parts
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.sshd import start_sshd, write_ssh_config
from pushmfa.demo.stacks import BIN
from pushmfa.demo.terminal import Terminal
from pushmfa.demo.tools import SYSTEM_PATH
from tests.app.pictures.drawn import draw
from tests.app.tab import Tab, tab
from tests.e2e.support import MODULE, find_pushmfa

_SHOW = 20.0
_SHELL = ["bash", "--noprofile", "--norc", "-i"]
_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include>/etc/fonts/fonts.conf</include>
  <match><test name="family" compare="not_contains"><string>Mono</string></test>
    <edit name="family" mode="prepend" binding="strong"><string>Roboto</string></edit>
  </match>
</fontconfig>
"""


class Take:
    """The system, the tab, and the folder for the pictures."""

    def __init__(self, sandbox: Sandbox, app: Tab, folder: Path) -> None:
        self.sandbox = sandbox
        self.app = app
        self.folder = folder
        self.terminals: dict[str, bytes] = {}
        sandbox.add_people(PEOPLE)
        self.parts = Parts(sandbox, find_pushmfa(), serves_app=True)
        self.parts.start()
        sshds = {"demo": start_sshd(sandbox)}
        self.ssh_config = write_ssh_config(sandbox, sshds, "alice")

    def shoot(self, name: str, scheme: Literal["dark", "light"] = "light") -> None:
        """Keep a picture of what the app shows now."""
        self.app.page.emulate_media(color_scheme=scheme)
        self.app.page.screenshot(path=self.folder / f"{name}.png", caret="hide")

    def enroll(self) -> None:
        """Enroll the app as the phone of alice."""
        shell = {"PS1": "root@demo:~# ", "PATH": f"{BIN}:{SYSTEM_PATH}"}
        host = self.sandbox.terminal(_SHELL, environment=shell)
        _type(host, r"# $", "pushmfa enroll --user alice")
        link = host.expect(r"^(http://localhost:\d+/#1\S+)\n", _SHOW)[1]
        look = {"trust": "enroll-trust", "code": "enroll-digits"}
        digits = self.app.enroll(
            link,
            lambda screen: self.shoot(look[screen]) if screen in look else None,
            label="alice's phone",
        )
        _type(host, "six digits that .* shows: $", digits)
        host.expect("# $", _SHOW)
        self.terminals["enroll-terminal"] = _without_last_line(host.raw)
        host.close()
        self.app.press("Done")

    def log_in(self) -> None:
        """Log in by ssh, and become root there."""
        environment = self.sandbox.environment() | {
            "PS1": "$ ",
            # Where the sandbox is stands in an option; on a terminal it is `ssh demo`.
            "BASH_FUNC_ssh%%": f'() {{ command ssh -F {self.ssh_config} "$@"; }}',
        }
        terminal = Terminal(_SHELL, environment)
        _type(terminal, r"\$ $", "ssh demo")
        number = terminal.expect(r"enter (\d+) on your", _SHOW)[1]
        self.app.sees("Login")
        self.shoot("card-light")
        self.app.type_number(number)
        self.app.sees("Approved")
        self.shoot("approved")
        _type(terminal, "Enter: *$", "")
        self.app.press("Done")
        _type(terminal, r"\$ $", "sudo passwd --status bob")
        _type(terminal, "assword", self.sandbox.people["alice"].password)
        number = terminal.expect(r"enter (\d+) on your", _SHOW)[1]
        self.app.sees("Command as another user (sudo)")
        self.app.page.get_by_label("Number from the terminal").fill(number)
        self.shoot("card-dark", "dark")
        self.app.press("Approve")
        self.app.sees("Approved")
        terminal.expect(r"\$ $", _SHOW)
        self.terminals["terminal"] = _without_last_line(terminal.raw)
        terminal.close()


def _type(terminal: Terminal, after: str, line: str) -> None:
    terminal.expect(after, _SHOW)
    terminal.send_line(line)


def _without_last_line(raw: bytes) -> bytes:
    """Return raw without the prompt at its end."""
    return raw.rpartition(b"\n")[0]


def take(folder: Path) -> None:
    """Write all pictures into folder."""
    with tempfile.TemporaryDirectory() as temporary:
        fonts = Path(temporary, "fonts.conf")
        fonts.write_text(_FONTS)
        with (
            Sandbox(module=MODULE, programs=find_pushmfa()[:1]) as sandbox,
            tab({"FONTCONFIG_FILE": str(fonts)}, device_scale_factor=2) as app,
        ):
            this = Take(sandbox, app, folder)
            this.enroll()
            this.log_in()
            for name, raw in this.terminals.items():
                draw(app.page, raw, folder / f"{name}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description="Take the pictures of the README.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    take(folder)
    files = sorted(map(str, folder.glob("*.png")))
    shrink = ["pngquant", "--force", "--strip", "--speed=1"]
    subprocess.run([*shrink, "--ext=.png", "--", *files], check=True)
    owner = [int(os.environ.get(name, "0")) for name in ("SUDO_UID", "SUDO_GID")]
    for file in files:
        os.chown(file, *owner)
        print(f"{Path(file).stat().st_size:8,} {file}")  # noqa: T201  what it is for


if __name__ == "__main__":
    main()
