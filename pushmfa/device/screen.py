"""What a person sees on a terminal authenticator.

The card says who, where, from where and what, in this order, and repeats the gist
right above the prompt, so that a long command cannot push it off the screen. All
text of others goes through `make_harmless`, and never through rich's markup.
"""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pushmfa.crypto.keys import fingerprint
from pushmfa.device.cards import Card
from pushmfa.device.command_text import command_text
from pushmfa.device.words import KINDS, account, summary
from pushmfa.terms import Kind, VerificationRequired
from pushmfa.text import make_harmless
from pushmfa.wire.payload import Challenge, Command, EnrollHost

_STYLES: Final = {Kind.LOGIN: "cyan", Kind.SUDO: "yellow", Kind.SU: "yellow"}
_OTHER_STYLE: Final = "magenta"
_SHOWN: Final = 255
_LOGINS: Final = (Kind.LOGIN, Kind.SUDO, Kind.SU)
"""Where a first factor could have been proved; `pushmfa` itself asks for none."""


def make_console() -> Console:
    """Return the console of standard output; plain without a terminal or color."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=False)


class Screen:
    """Writes on a terminal, line after line; it never goes back."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or make_console()
        self._is_at_prompt = False

    def say(self, text: str, style: str = "") -> None:
        """Show one message; text is harmless already."""
        self._leave_prompt()
        self.console.print(Text(text, style=style))

    def warn(self, text: str) -> None:
        """Show one message that somebody should look at."""
        self.say(text, "bold red")

    def show_code(self, code: str, host: EnrollHost) -> None:
        """Show the six digits of an enrollment, and whom it is with."""
        user, name = make_harmless(host.user), make_harmless(host.host_name)
        self._leave_prompt()
        self.console.print(Text("Type these six digits into the host's terminal:\n"))
        self.console.print(Text(f"    {code[:3]} {code[3:]}\n", style="bold"))
        self.console.print(
            Text(
                f"to enroll this device for {user} on {name}\n"
                f"(host key {fingerprint(host.host_id)}). If that is not the terminal "
                "where\nyou just asked for it, press Ctrl-C here."
            )
        )

    def show_card(self, card: Card, *, seconds_left: int, others_here: int) -> None:
        """Show all of one challenge."""
        self._leave_prompt()
        challenge = card.challenge
        style = _STYLES.get(challenge.kind, _OTHER_STYLE)
        title = Text(f"{card.letter} · {KINDS[challenge.kind]}", style=f"bold {style}")
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(ratio=1, overflow="fold")
        for name, value in _rows(card, seconds_left):
            table.add_row(Text(name), value)
        self.console.print(
            Panel(table, title=title, title_align="left", border_style=style)
        )
        others = max(challenge.others_pending, others_here)
        if others:
            noun = "login waits" if others == 1 else "logins wait"
            self.warn(f"{others} other {noun} too; one of them may not be yours.")

    def show_prompt(self, waiting: Sequence[Card], now: Sequence[int]) -> None:
        """Ask for an answer; now holds the seconds left of each card."""
        self._leave_prompt()
        if not waiting:
            return
        for card, seconds in zip(waiting, now, strict=True):
            gist = summary(card.enrollment, card.challenge)
            self.console.print(Text(f"{card.letter}: {gist} ({seconds} s left)"))
        self._ask(_prompt(waiting))

    def ask_passphrase(self, card: Card) -> None:
        """Ask for the passphrase of the enrollment that card belongs to."""
        self._leave_prompt()
        self._ask(f"{card.letter}: passphrase for {account(card.enrollment)}: ")

    def note_line(self) -> None:
        """Take note that a line was typed, whose end moved the cursor on."""
        self._is_at_prompt = False

    def _ask(self, text: str) -> None:
        self.console.print(Text(text, style="bold"), end="")
        self.console.file.flush()
        self._is_at_prompt = True

    def _leave_prompt(self) -> None:
        if self._is_at_prompt:
            self.console.print()
            self._is_at_prompt = False


def _prompt(waiting: Sequence[Card]) -> str:
    first = waiting[0]
    if len(waiting) == 1:
        digits = first.challenge.digits
        return f"number ({digits} digits), d = deny, n = it was not me: "
    letter = first.letter
    return (
        f"card and number (as in {letter} 42), {letter} d = deny, {letter} n = not me: "
    )


def _rows(card: Card, seconds_left: int) -> list[tuple[str, Text]]:
    challenge = card.challenge
    rows = [("who", _who(challenge)), ("where", _where(card))]
    rows.append(("service", _plain(challenge.service)))
    rows.append(("from", _from(challenge)))
    if challenge.kind in _LOGINS or challenge.first_factor is not None:
        rows.append(("before", _first_factor(challenge)))
    if challenge.command is not None:
        rows.append(("command", _command(challenge.command)))
    if challenge.text is not None:
        rows.append(("asks", Text(make_harmless(challenge.text, 2_500))))
    if challenge.tty:
        rows.append(("terminal", _plain(challenge.tty)))
    rows.append(("time", _time(challenge, seconds_left)))
    if challenge.risk:
        rows.append(("unusual", Text(", ".join(challenge.risk), style="bold red")))
    if challenge.grant_offered:
        rows.append(("offered", Text("to skip later questions; not taken here")))
    if challenge.verification is VerificationRequired.REQUIRED:
        rows.append(("verify", _verification(card)))
    return rows


def _plain(text: str) -> Text:
    return Text(make_harmless(text, _SHOWN))


def _who(challenge: Challenge) -> Text:
    who = Text(make_harmless(challenge.user, _SHOWN), style="bold")
    who.append(f" (uid {challenge.uid})", style="not bold")
    if challenge.requesting_user is not None:
        typed_by = make_harmless(challenge.requesting_user, _SHOWN)
        who.append(f", asked for by {typed_by}", style="not bold")
    if challenge.approver != challenge.user:
        approver = make_harmless(challenge.approver, _SHOWN)
        who.append(f", to be approved by {approver}", style="not bold")
    return who


def _where(card: Card) -> Text:
    enrollment, challenge = card.enrollment, card.challenge
    # The name recorded at enrollment: what a host says of itself later is its own
    # choice, and it could choose the name of another.
    where = Text(make_harmless(enrollment.host_name, _SHOWN), style="bold")
    where.append(f" (key {fingerprint(enrollment.host_id)})", style="not bold")
    if challenge.host_name != enrollment.host_name:
        now_called = make_harmless(challenge.host_name, _SHOWN)
        where.append(f"\nnow calls itself {now_called}", style="not bold red")
    if challenge.epoch < enrollment.epoch:
        old = "\nit has gone back to an old state; it will refuse, and say what to do"
        where.append(old, style="not bold red")
    if enrollment.counter == 0:
        where.append("\nfirst time: you never answered it before", style="not bold")
    return where


def _from(challenge: Challenge) -> Text:
    if challenge.remote_address is None:
        source = Text("this host itself, or not known")
    else:
        source = Text(make_harmless(challenge.remote_address, _SHOWN), style="bold")
    for note in challenge.remote_notes:
        source.append(f"\n{make_harmless(note, _SHOWN)}", style="not bold")
    return source


def _first_factor(challenge: Challenge) -> Text:
    factor = challenge.first_factor
    if factor is None:
        return Text("nothing was proved before this")
    if factor.method == "stack":
        return Text("what the service asks first, a password as a rule")
    text = Text(factor.method)
    if factor.fingerprint is not None:
        text.append(f" {make_harmless(factor.fingerprint, _SHOWN)}")
    return text


def _command(command: Command) -> Text:
    shown = command_text(command)
    text = Text(shown.head)
    if shown.hidden_bytes or shown.tail:
        text.append(f"\n... {shown.hidden_bytes} bytes are not shown ...\n", "bold red")
        text.append(shown.tail)
        text.append(
            f"\nCUT: the whole command has {shown.length} bytes, "
            f"SHA-256 {command.sha256.hex()[:16]}...",
            "bold red",
        )
    return text


def _time(challenge: Challenge, seconds_left: int) -> Text:
    issued = datetime.fromtimestamp(challenge.issued_at, tz=UTC)
    # Attack: a host says a time at the end of year 9999, which no zone can show.
    with contextlib.suppress(OverflowError, OSError):
        issued = issued.astimezone()
    clock = issued.strftime("%Y-%m-%d %H:%M:%S")
    return Text(f"{clock} by the host's clock; {seconds_left} seconds left")


def _verification(card: Card) -> Text:
    if card.enrollment.has_passphrase:
        return Text("the host wants your passphrase for this answer")
    return Text(
        "the host wants a passphrase, which this device does not have: enroll it "
        "again with one",
        style="bold red",
    )
