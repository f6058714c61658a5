"""Which seed misses which step, as `make hostile` found it; CI tries these first.

A seed may lose its find when the daemon draws random numbers in another order; then
the test searches on, and `python -m tests.fakes.hostile` prints the new ones.
"""

from typing import Final

FOUND: Final[dict[str, tuple[int, str]]] = {
    "1: size": (756, "broken device"),
    "2: the device's mailbox": (13, "swapped sender"),
    "2: device is active now": (47, "revoked device"),
    "2: the host's mailbox": (7, "nothing"),
    "3: it opens": (447, "broken device"),
    "4: signature": (0, "forged signature"),
    "5: strict parse": (272, "broken device"),
    "5: version": (453, "broken device"),
    "5: fields of an approval": (251, "broken device"),
    "6: epoch": (713, "broken device"),
    "6: this host": (547, "broken device"),
    "6, 9: this host, and its text": (90, "evil host"),
    "7: challenge is known": (1, "forged signature"),
    "7, 9: challenge is the one that waits, and its text": (375, "replay"),
    "7, 14: challenge is pending; compare and set": (1, "forged signature"),
    "8: device is itself": (111, "broken device"),
    "8: account": (52, "broken device"),
    "8, 9: device was asked, for this account; its own text": (
        17,
        "other user's device",
    ),
    "9: digest": (526, "broken device"),
    "10: in time, both clocks": (30, "clocks"),
    "10: in time, wall clock": (30, "clocks"),
    "10: in time, boot clock": (545, "clocks"),
    "11: holder verified": (87, "unverified holder"),
    "11: proof of that": (1096, "broken device"),
    "11: grant": (194, "broken device"),
    "12: decision": (0, "forged signature"),
    "13: number": (10, "crowd"),
    "13: form of the number": (191, "zero before"),
    "13: no number twice on screens": (72, "revoked device"),
    "15: audit first": (112, "full disk"),
    "16: still stands": (8, "late revocation"),
    "16: module hears": (0, "forged signature"),
    "device: signature of a challenge": (9, "forged card"),
    "device: names in a challenge; its signature": (20, "card of another host"),
    "device: signature of an outcome": (5, "forged outcome"),
    "device: signature of a revocation": (5, "forged outcome"),
    "device: ids that were seen; one card a challenge": (1, "forged signature"),
}
"""Seed and plot, by the name of the row."""
