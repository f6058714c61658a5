"""The variants of both models, and what is known of each."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Variant:
    """A model without the safeguards named, and the property that breaks."""

    model: str
    without: tuple[str, ...] = ()
    breaks: str | None = None
    """P1 to P6 of approval.pml, Q1 to Q4 of enrollment.pml; None: it holds."""

    def __str__(self) -> str:
        return " ".join((self.model, *self.without))


def _variant(words: str, breaks: str | None = None) -> Variant:
    model, *without = words.split()
    return Variant(model, tuple(without), breaks)


HOLDING = [
    _variant("approval"),
    # Each alone is covered by another: kept for depth.
    _variant("approval NO_HOST"),
    _variant("approval NO_CID"),
    _variant("approval NO_DIGEST"),
    _variant("approval ONE_KEY"),
    _variant("approval ONE_KEY NO_HOST"),
    _variant("approval NO_CHALLENGE_SIG"),
    _variant("enrollment"),
    _variant("enrollment LEAK"),
    _variant("enrollment NO_ROLE"),
    _variant("enrollment NO_ROLE NO_COMMIT"),
    _variant("enrollment NO_COMMIT"),
    _variant("enrollment EARLY_REVEAL"),
]

ATTACKED = [
    _variant("approval NO_ACTIVE", "P5"),
    _variant("approval NO_SIGNATURE", "P1"),
    _variant("approval ONE_KEY NO_HOST NO_DIGEST", "P1"),
    _variant("approval NO_CID NO_DIGEST", "P1"),
    _variant("approval NO_ONCE", "P3"),
    _variant("approval NO_ADDRESS", "P1"),
    _variant("approval NO_DIGEST NO_CHALLENGE_SIG", "P2"),
    _variant("approval NO_EXPIRY", "P6"),
    _variant("approval NO_DECISION", "P2"),
    _variant("approval DENIAL_KEEPS_OPEN", "P4"),
    _variant("approval WRONG_KEEPS_OPEN", "P4"),
    _variant("approval NO_NUM", "P1"),
    _variant("approval ANY_NUM", "P1"),
    _variant("approval REUSE_NUM", "P1"),
    _variant("approval NO_REST", "P1"),
    _variant("approval REUSE_CID", "P1"),
    _variant("approval RESTART_REUSES_CID", "P1"),
    _variant("enrollment LEAK NO_COMMIT", "Q2"),
    _variant("enrollment LEAK EARLY_REVEAL", "Q1"),
    _variant("enrollment LEAK HOST_SHOWS", "Q1"),
    _variant("enrollment NO_SEAL", "Q4"),
    _variant("enrollment NO_BURN", "Q3"),
]

RESIDUAL = [
    # What a person does, and no software can help: said in docs/threat-model.md.
    _variant("approval CARELESS", "P1"),
    _variant("approval ANSWERS_AGAIN", "P1"),
    _variant("approval STARES", "P1"),
]
