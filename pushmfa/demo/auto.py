"""The demo that plays by itself: real logins, each of which must end as it should."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from pushmfa.demo.app import load_app
from pushmfa.demo.parts import Parts
from pushmfa.demo.processes import tail
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.stacks import BIN
from pushmfa.demo.terminal import Terminal
from pushmfa.demo.tools import SYSTEM_PATH
from pushmfa.errors import PushmfaError
from pushmfa.text import make_harmless

LIFETIME: Final = 10
"""Seconds of a challenge, so that nobody waits long for the one that expires."""

USER: Final = "alice"
_SHOW: Final = 15.0
"""Seconds in which something that needs no person must appear."""
_END: Final = LIFETIME + _SHOW
_READ: Final = 1.0
"""Seconds that a person needs to read the number; the terminal waits visibly."""
_NUMBER: Final = r"pushmfa: enter (\d+) on your (?:phone|device)"
_DENIED: Final = "pushmfa: denied"
_MARK: Final = f"shell-of-{USER}"


class Scene(NamedTuple):
    """One login, and how it is to end."""

    title: str
    is_sudo: bool
    answer: str
    """What the device does: right, wrong, deny or nothing."""
    ends: str
    """What the terminal must show in the end."""
    is_approved: bool


SCENES: Final = (
    Scene("ssh, approved", False, "right", _MARK, True),
    Scene("ssh, denied", False, "deny", _DENIED, False),
    Scene(
        "ssh, wrong number",
        False,
        "wrong",
        "pushmfa: a wrong number was entered",
        False,
    ),
    Scene(
        "ssh, expired",
        False,
        "nothing",
        f"pushmfa: nobody answered within {LIFETIME} seconds",
        False,
    ),
    Scene("sudo, approved", True, "right", r"^root$", True),
    Scene("sudo, denied", True, "deny", _DENIED, False),
)


SCRIPT: Final = """\
for version in 4.2 4.3; do
    pushmfa confirm "Release $version to production" && echo "$version is released"
    echo "exit code $?"
done
"""


class _Shown(NamedTuple):
    """A line of a scene's transcript."""

    at: float
    who: str
    text: str


def play(
    sandbox: Sandbox,
    parts: Parts,
    config: Path,
    out: TextIO,
    scenes: Sequence[Scene] = SCENES,
) -> bool:
    """Play all scenes; return whether each ended as it should.

    config: the ssh_config. Every transcript goes to out, with the time of each line.
    """
    failures = 0
    total = len(scenes) + 2
    for number, scene in enumerate(scenes, start=1):
        sandbox.check()
        out.write(f"\n--- {number} of {total}: {scene.title}\n")
        out.flush()
        terminal = _open(sandbox, scene, config, out)
        answered: list[_Shown] = []
        try:
            _play_scene(sandbox, parts, scene, terminal, answered)
            verdict = "ok"
        except PushmfaError as error:
            failures += 1
            verdict = f"FAILED {error}"
        finally:
            terminal.close()
        _print_end(sandbox, terminal, answered, verdict, out)
    sandbox.check()
    out.write(f"\n--- {total - 1} of {total}: a script asks, approved and denied\n")
    failures += not _play_script(sandbox, parts, out)
    sandbox.check()
    out.write(f"\n--- {total} of {total}: a browser loads the phone app\n")
    failures += not _load_app(sandbox, parts, out)
    return failures == 0


def _load_app(sandbox: Sandbox, parts: Parts, out: TextIO) -> bool:
    """Load the app as a browser would; return whether all of it came."""
    try:
        loaded = load_app(parts.app_port)
    except PushmfaError as error:
        out.write(f"FAILED {error}\n")
        _print_logs(sandbox, out)
        return False
    out.write(f"GET http://localhost:{parts.app_port}/\n")
    out.write(f"{loaded.files} files, {loaded.size / 1024:.0f} KB\n")
    out.write(f"may reach: {loaded.reaches}\nok\n")
    out.flush()
    return True


def _play_script(sandbox: Sandbox, parts: Parts, out: TextIO) -> bool:
    """Play a script with two confirms; return whether it ended as it should."""
    out.write(f"{USER}$ cat release.sh\n{SCRIPT}{USER}$ sh release.sh\n")
    out.flush()
    # By env(1), as the last: setpriv --reset-env gives the user a PATH of its own.
    path = f"PATH={BIN}:{SYSTEM_PATH}"
    terminal = sandbox.terminal(["env", path, "sh", "-c", SCRIPT], user=USER)
    answered: list[_Shown] = []
    try:
        for answer, code in (("right", 0), ("deny", 1)):
            number = terminal.expect(r"Enter (\d+) on your device", _SHOW)[1]
            time.sleep(_READ)
            _answer(parts, answer, number, terminal, answered)
            terminal.expect(f"exit code {code}$", _SHOW)
        if terminal.text.count("is released") != 1:
            raise PushmfaError("what was denied was done, or not what was approved")
        verdict = "ok"
    except PushmfaError as error:
        verdict = f"FAILED {error}"
    finally:
        terminal.close()
    _print_end(sandbox, terminal, answered, verdict, out)
    return verdict == "ok"


def _open(sandbox: Sandbox, scene: Scene, config: Path, out: TextIO) -> Terminal:
    if scene.is_sudo:
        out.write(f"{USER}$ sudo -k id -un\n")
        return sandbox.terminal(["sudo", "-k", "id", "-un"], user=USER)
    out.write(f"$ ssh -F {config} demo\n")
    return sandbox.outside_terminal(["ssh", "-F", str(config), "demo"])


def _play_scene(
    sandbox: Sandbox,
    parts: Parts,
    scene: Scene,
    terminal: Terminal,
    answered: list[_Shown],
) -> None:
    """Do what the person does; raise PushmfaError if it goes another way."""
    if scene.is_sudo:
        terminal.expect("password", _SHOW)
        terminal.send_line(sandbox.people[USER].password)
    number = terminal.expect(_NUMBER, _SHOW)[1]
    if not scene.is_sudo:
        terminal.expect("Enter: *$", _SHOW)
        terminal.send_line()
    time.sleep(_READ)
    _answer(parts, scene.answer, number, terminal, answered)
    if scene.is_approved and not scene.is_sudo:
        terminal.expect(r"[$#] $", _SHOW)
        terminal.send_line("echo shell-of-$(id -un)")
        terminal.expect(scene.ends, _SHOW)
        terminal.send_line("exit")
    else:
        terminal.expect(scene.ends, _END)
    status = terminal.wait(_SHOW)
    if scene.is_approved != (status == 0):
        raise PushmfaError(f"it ended with status {status}")
    if not scene.is_approved and _has_got_in(terminal):
        raise PushmfaError("it was refused and let in nevertheless")


def _has_got_in(terminal: Terminal) -> bool:
    return any(
        line.text == "root" or line.text.endswith("$ ") for line in terminal.transcript
    )


def _answer(
    parts: Parts, answer: str, number: str, terminal: Terminal, shown: list[_Shown]
) -> None:
    """Answer on the device, and note what it said and when."""
    words = {
        "right": ["--number", number],
        "wrong": ["--number", other_number(number)],
        "deny": ["--deny"],
    }.get(answer)
    if words is None:
        shown.append(_Shown(terminal.elapsed, "device", "(nobody answers)"))
        return
    command = " ".join(["pushmfa device answer", *words])
    shown.append(_Shown(terminal.elapsed, "device", f"$ {command}"))
    result = parts.answer(*words)
    for line in (result.stdout + result.stderr).splitlines():
        if line.strip():
            text = make_harmless(line.rstrip())
            shown.append(_Shown(terminal.elapsed, "device", text))


def other_number(number: str) -> str:
    """Return a number of as many digits, with no zero in front, that is another."""
    lowest = 10 ** (len(number) - 1)
    return str(lowest + (int(number) - lowest + 1) % (9 * lowest))


def _print_end(
    sandbox: Sandbox,
    terminal: Terminal,
    answered: Sequence[_Shown],
    verdict: str,
    out: TextIO,
) -> None:
    """Print a scene's transcript and how it ended; after a failure the logs too."""
    _print_transcript(terminal, answered, out)
    out.write(f"{verdict}\n")
    if verdict != "ok":
        _print_logs(sandbox, out)
    out.flush()


def _print_transcript(
    terminal: Terminal, answered: Sequence[_Shown], out: TextIO
) -> None:
    lines = [_Shown(line.at, "", line.text) for line in terminal.transcript]
    for line in sorted([*lines, *answered], key=lambda shown: shown.at):
        out.write(f"{line.at:7.2f} s  {line.who:7}{line.text}\n")


def _print_logs(sandbox: Sandbox, out: TextIO) -> None:
    for name in ("relay", "daemon", "sshd", "syslog"):
        last = tail(sandbox.log(name))
        if last:
            out.write(f"the end of {name}.log:\n{last}\n")
