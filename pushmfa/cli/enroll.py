"""`pushmfa enroll`: a new device, or a ticket for somebody's first one."""

import os
from typing import TYPE_CHECKING, Final

import click

from pushmfa.cli import output, qr
from pushmfa.cli.options import (
    config_option,
    examples,
    has_terminal,
    is_root,
    json_option,
    limit,
    open_client,
    user_option,
)
from pushmfa.errors import NotEnrolledError, UsageError
from pushmfa.terms import MAX_LABEL

if TYPE_CHECKING:
    from pushmfa.client import Client
    from pushmfa.wire import control

_MAX_TICKET: Final = 64
"""Characters, however it is written; the daemon takes no more."""


@click.command(
    epilog=examples(
        "pushmfa enroll",
        "sudo pushmfa enroll --user alice --ticket",
    )
)
@user_option
@click.option(
    "--label",
    callback=limit(MAX_LABEL),
    metavar="LABEL",
    help="Name of the new device.",
)
@click.option(
    "--ticket",
    "wants_ticket",
    is_flag=True,
    help="Make an enrollment ticket for the first device of USER (root).",
)
@click.option("--no-qr", is_flag=True, help="Print the link only, no QR code.")
@json_option
@config_option()
@click.pass_context
def enroll(
    context: click.Context,
    user: str | None,
    label: str | None,
    wants_ticket: bool,
    no_qr: bool,
    as_json: bool,
) -> None:
    """Enroll a device.

    Shows a link for the device, then asks for the six digits that it shows.
    Your first device needs an enrollment ticket from the administrator; each
    further one is approved on a device that you have.
    """
    if user is None:
        _refuse_through_sudo()
    with open_client(context) as client:
        if wants_ticket:
            _make_ticket(client, user, as_json=as_json)
        else:
            dialog = _Dialog(client, user, label, no_qr=no_qr, as_json=as_json)
            dialog.run()


def _refuse_through_sudo() -> None:
    """Refuse to guess whose device `sudo pushmfa enroll` is about."""
    if not is_root() or os.environ.get("SUDO_UID", "0") == "0":
        return
    login = os.environ.get("SUDO_USER", "") or "USER"
    raise UsageError(
        "through sudo it is not clear whose device this is",
        hint=f"For a device of {login}: sudo pushmfa enroll --user {login}; for one of "
        "root: sudo pushmfa enroll --user root",
    )


def _make_ticket(client: "Client", user: str | None, *, as_json: bool) -> None:
    if user is None:
        raise UsageError(
            "--ticket needs the account it is for",
            hint="pushmfa enroll --user alice --ticket",
        )
    made = client.make_ticket(user)
    if as_json:
        values = {
            "user": made.user,
            "ticket": made.ticket,
            "expires_at": output.rfc3339(made.expires_at),
        }
        output.print_json("enroll", ok=True, values=values)
        return
    name = output.show(made.user)
    output.say(f"Enrollment ticket for {name}, shown only now:")
    output.say()
    output.say(f"    {output.show(made.ticket)}")
    output.say()
    output.say(f"Good until {output.moment(made.expires_at)}, for one login and one")
    output.say(f"enrollment. Give it to {name} in person or by a way you trust. {name}")
    output.say("types it where the login asks for a code, then runs: pushmfa enroll")


class _Dialog:
    """One enrollment at the terminal; with --json the talk is on standard error."""

    def __init__(
        self,
        client: "Client",
        user: str | None,
        label: str | None,
        *,
        no_qr: bool,
        as_json: bool,
    ) -> None:
        self._client = client
        self._user = user
        self._label = label
        self._with_qr = not no_qr and not as_json
        self._as_json = as_json

    def run(self) -> None:
        try:
            done = self._enroll(None)
        except NotEnrolledError as error:
            # No device that could approve, and not root: only a ticket can help.
            if is_root():
                raise
            done = self._enroll(self._ask_ticket(error))
        self._finish(done)

    def _enroll(self, ticket: str | None) -> "control.Done":
        return self._client.enroll(
            user=self._user,
            label=self._label,
            ticket=ticket,
            on_number=self._show_number,
            on_link=self._show_link,
            ask_code=self._ask_code,
        )

    def _ask_ticket(self, error: NotEnrolledError) -> str:
        self._say("This is your first device; it needs an enrollment ticket, which")
        self._say("the administrator makes.")
        try:
            typed = self._prompt("Enrollment ticket:")
        except click.Abort:
            # Without anybody who types, the daemon's own words say more.
            if has_terminal():
                raise
            raise error from None
        if len(typed) > _MAX_TICKET:
            raise UsageError(
                "that is no enrollment ticket",
                hint="Type the ticket as the administrator gave it; a new one: "
                "sudo pushmfa enroll --user USER --ticket",
            )
        return typed

    def _show_number(self, shown: "control.NumberShown") -> None:
        devices = ", ".join(output.show(label) for label in shown.devices)
        self._say(f"To allow it, enter {shown.number} on your device ({devices}).")

    def _show_link(self, link: "control.EnrollLink") -> None:
        # Not shortened: the link is ours, and it has to be whole.
        text = output.show(link.link)
        draws = self._with_qr and qr.fits_terminal()
        how = (
            "scan this with the camera or open the link" if draws else "open this link"
        )
        self._say(f"On the new device {how}, within {link.lifetime // 60} minutes:")
        self._say()
        if draws:
            for line in qr.draw(link.link):
                self._say(line)
        self._say(text)
        self._say()
        self._say("A terminal as the device: pushmfa device enroll LINK")
        self._say("Waiting for the device ...")

    def _ask_code(self, claimed: "control.EnrollClaimed") -> str:
        name = output.show(claimed.label)
        if not claimed.can_approve:
            self._say(f"{name} cannot verify who holds it, and the logins of this")
            self._say("account need that: it could deny them, and approve none. To")
            self._say("enroll another one press Ctrl-C.")
        while True:
            typed = self._prompt(f"Type the six digits that {name} shows:")
            code = "".join(typed.split())
            if len(code) == 6 and code.isascii() and code.isdigit():
                return code
            # The daemon gives one try: what cannot be right must not use it up.
            self._say("That is not six digits.")

    def _finish(self, done: "control.Done") -> None:
        if self._as_json:
            from pushmfa.cli.objects import device_object

            values = {"user": done.user, "device": device_object(done.device)}
            output.print_json("enroll", ok=True, values=values)
            return
        label, user = output.show(done.device.label), output.show(done.user)
        self._say(f"Enrolled: {label} is now a device of {user}.")
        self._say("Try it: pushmfa test")

    def _say(self, text: str = "") -> None:
        output.say(text, err=self._as_json)

    def _prompt(self, question: str) -> str:
        answer: str = click.prompt(
            question, prompt_suffix=" ", type=str, err=self._as_json
        )
        return answer.strip()
