"""What `pushmfa device answer` prints: text for people, one object for scripts."""

from typing import Any, Final

from pushmfa.device.cards import Card
from pushmfa.device.command_text import command_text
from pushmfa.device.screen import Screen
from pushmfa.device.scripted import card_name
from pushmfa.device.words import outcome_text, summary
from pushmfa.text import json_line
from pushmfa.wire.codec import encode_base64url
from pushmfa.wire.payload import Outcome

SCHEMA: Final = 1


def show_answer(
    screen: Screen, card: Card, left: int, outcome: Outcome | None, *, as_json: bool
) -> None:
    """Print one card, and how it ended if it did; left is in seconds."""
    if as_json:
        values = _card_values(card, left) | _outcome_values(outcome)
        head = {"schema": SCHEMA, "command": "device answer", "ok": True}
        screen.console.file.write(json_line(head | values) + "\n")
    elif outcome is None:
        screen.show_card(card, seconds_left=left, others_here=0)
        screen.say(f"attempt {card_name(card)}")
    else:
        gist = summary(card.enrollment, card.challenge)
        screen.say(f"{gist}: {outcome_text(outcome)}")


def _outcome_values(outcome: Outcome | None) -> dict[str, Any]:
    if outcome is None:
        return {"verdict": None, "cause": None}
    return {
        "verdict": outcome.verdict.value,
        "cause": outcome.cause.value,
        "by_this_device": outcome.by_this_device,
        "press_enter": outcome.press_enter,
    }


def _card_values(card: Card, left: int) -> dict[str, Any]:
    challenge = card.challenge
    command = challenge.command and command_text(challenge.command)
    return {
        "attempt_id": card_name(card),
        "kind": challenge.kind.value,
        "host_name": card.enrollment.host_name,
        "host_id": encode_base64url(card.enrollment.host_id),
        "user": challenge.user,
        "approver": challenge.approver,
        "requesting_user": challenge.requesting_user,
        "service": challenge.service,
        "remote_address": challenge.remote_address,
        "command": command.head if command else None,
        "command_is_cut": bool(command and command.hidden_bytes),
        "text": challenge.text,
        "digits": challenge.digits,
        "verification": challenge.verification.value,
        "others_pending": challenge.others_pending,
        "seconds_left": left,
    }
