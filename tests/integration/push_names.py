"""A name server and end points as an attacker makes them."""

from ipaddress import ip_address
from typing import Any


class Names:
    """A name server that says what a test wants; it counts who asked."""

    def __init__(self, port: int, *answers: str) -> None:
        self.port = port
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str) -> list[tuple[Any, int]]:
        """Return the next answer; the last one from then on."""
        self.asked.append(host)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        return [(ip_address(one), self.port) for one in answer.split()]


def replace_end_point(push: Any, endpoint: str, **changes: Any) -> Any:
    fields = {"endpoint": endpoint, "p256dh": push.p256dh, "auth": push.auth}
    return type(push)(**fields | changes)
