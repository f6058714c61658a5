"""What a person typed, and which card it is for. Pure.

With one card waiting its number alone is enough. With several the card's letter
comes first, always: a number is good for one try, and it must not go to whichever
came last (an attacker who logs in right after somebody would choose for them).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pushmfa.device.authenticator import Choice, check_number
from pushmfa.device.cards import Card
from pushmfa.errors import MalformedError, UsageError
from pushmfa.terms import DenialReason

_REASONS: Final = {"d": DenialReason.CANCEL, "n": DenialReason.NOT_ME}


@dataclass(frozen=True, slots=True)
class Typed:
    """A decision for one card."""

    card: Card
    choice: Choice


def parse_line(line: str, waiting: Sequence[Card]) -> Typed | None:
    """Return what line decides; None for an empty line.

    UsageError, in words for the person, if it decides nothing; then nothing is sent.
    """
    words = line.split()
    if not words:
        return None
    if not waiting:
        raise UsageError("nothing waits for an answer")
    named = {card.letter.lower(): card for card in waiting}
    card = named.get(words[0].lower())
    if card is not None:
        return Typed(card, _choice("".join(words[1:]), card))
    if len(waiting) > 1:
        letters = " or ".join(named_card.letter for named_card in waiting)
        raise UsageError(
            f"{len(waiting)} logins wait: type the card's letter first ({letters}), "
            f"as in `{waiting[0].letter} 42` or `{waiting[0].letter} d`"
        )
    return Typed(waiting[0], _choice("".join(words), waiting[0]))


def _choice(text: str, card: Card) -> Choice:
    reason = _REASONS.get(text.lower())
    if reason is not None:
        return Choice(reason=reason)
    digits = card.challenge.digits
    try:
        check_number(text, digits)
    except MalformedError:
        raise UsageError(
            f"type the {digits} digits that the terminal shows, d or n"
        ) from None
    return Choice(number=text)
