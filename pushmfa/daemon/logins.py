"""The attempts that wait now: asks the devices, takes their answers, ends each once.

Everything here runs in the one thread of the event loop and awaits nothing between
looking at an attempt and ending it: that is the lock of docs/protocol.md, 5.3.
"""

import asyncio
import logging
import secrets

from pushmfa.config.model import LoginSettings
from pushmfa.daemon.audit import Audit
from pushmfa.daemon.challenges import (
    ChallengeTerms,
    Context,
    address_challenges,
    attempt_record,
)
from pushmfa.daemon.clock import Clock
from pushmfa.daemon.endings import Endings
from pushmfa.daemon.health import Health
from pushmfa.daemon.outcomes import Outcomes
from pushmfa.daemon.post import Host, Post
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.seldom import Seldom
from pushmfa.daemon.standing import Standing
from pushmfa.daemon.waiting import Live, Waiting
from pushmfa.daemon.witness import Witness
from pushmfa.errors import (
    ClonedError,
    MalformedError,
    SealError,
    StoreError,
    VerificationError,
)
from pushmfa.login.attempt import Attempt, End, attempt_id_of, expire
from pushmfa.login.devices import Device
from pushmfa.login.policy import Account
from pushmfa.login.verdict import (
    HostKeys,
    judge,
    open_answer,
    proved_counter,
    verify_answer,
)
from pushmfa.login.verification import VerificationRule, can_approve
from pushmfa.terms import (
    Cause,
    ChallengeId,
    DeviceId,
    Verdict,
)
from pushmfa.text import make_harmless
from pushmfa.wire.link import Envelope, Stored

log = logging.getLogger("pushmfa.logins")


class Logins:
    """All attempts that wait now, and the numbers that may still be on a screen."""

    def __init__(
        self,
        *,
        settings: LoginSettings,
        verification: VerificationRule,
        origin: str,
        clock: Clock,
        host: Host,
        registry: Registry,
        audit: Audit,
        post: Post,
        health: Health,
    ) -> None:
        self._witness = Witness(host, registry, audit, clock, health)
        self._settings = settings
        self._verification = verification
        self._clock = clock
        self._host = host
        self._keys = HostKeys(host.host_id, host.mailbox, host.opener, origin)
        self._registry = registry
        self._audit = audit
        self._post = post
        self._live: dict[ChallengeId, Live] = {}
        self._seldom = Seldom()
        self._endings = Endings(
            clock=clock,
            registry=registry,
            audit=audit,
            outcomes=Outcomes(host, registry, post, clock),
            on_end=self._forget,
        )
        self._standing = Standing(
            clock, max_pending=settings.max_pending, digits=settings.digits
        )

    # --- beginning ----------------------------------------------------------------

    def begin(self, context: Context, lifetime: int) -> Waiting | End:
        """Ask every active device of the approver; return what waits, or the end.

        lifetime is in seconds. An end of relay_unreachable says that no relay took
        any envelope: only then may the caller let `unreachable` decide.
        """
        approver, now = context.approver, self._clock.now()
        if approver is None:
            return End(Verdict.NOT_ENROLLED, Cause.NOT_ENROLLED)
        devices = self._registry.active_devices_of(approver)
        if not devices:
            return End(Verdict.NOT_ENROLLED, Cause.NOT_ENROLLED)
        verification = self._verification.of(context.user, approver)
        if not any(can_approve(device, verification) for device in devices):
            # At once: a card that can only be denied would ring for nothing.
            return End(Verdict.NOT_ENROLLED, Cause.NO_VERIFICATION)
        challenge_id = ChallengeId(secrets.token_bytes(32))
        attempt_id, expires = attempt_id_of(challenge_id), now.after(lifetime)
        shown = [live.attempt.number for live in self._pending_of(approver.uid)]
        budget = (approver.uid, context.lane)
        number = self._standing.admit(budget, attempt_id, expires, shown)
        if isinstance(number, End):
            return number
        terms = ChallengeTerms(
            challenge_id=challenge_id,
            lifetime=lifetime,
            digits=self._settings.digits,
            verification=verification,
            others_pending=len(shown),
            epoch=self._host.epoch_key.epoch_of(self._registry.counter),
        )
        return self._ask(context, approver, devices, terms, number)

    def _ask(
        self,
        context: Context,
        approver: Account,
        devices: tuple[Device, ...],
        terms: ChallengeTerms,
        number: str,
    ) -> Waiting | End:
        """Send the challenges; return what waits, or that no relay took one."""
        now = self._clock.now()
        digests, envelopes = address_challenges(
            self._host, self._post, devices, context, terms, now
        )
        attempt = Attempt(
            attempt_id=attempt_id_of(terms.challenge_id),
            challenge_id=terms.challenge_id,
            kind=context.kind,
            approver=approver.name,
            approver_uid=approver.uid,
            number=number,
            digests=digests,
            verification=terms.verification,
            grant_offered=0,
            started=now,
            expires=now.after(terms.lifetime),
        )
        handed = [self._post.send(envelope) for envelope in envelopes.values()]
        if not any(handed):
            self._standing.release(attempt, context.lane)
            return End(Verdict.UNAVAILABLE, Cause.RELAY_UNREACHABLE)
        live = self._watch(attempt, context, devices, envelopes, terms.lifetime)
        return Waiting(
            attempt_id=attempt.attempt_id,
            number=number,
            # All are asked, since each may deny; those that may approve are named.
            devices=tuple(d for d in devices if can_approve(d, terms.verification)),
            lifetime=terms.lifetime,
            ended=live.ended,
            cancel=lambda cause: self._cancel(live, cause),
            note_delivery=lambda delivered: self._endings.note_delivery(
                live, delivered
            ),
            note_enter=live.note_enter,
        )

    def _watch(
        self,
        attempt: Attempt,
        context: Context,
        devices: tuple[Device, ...],
        envelopes: dict[DeviceId, Envelope],
        lifetime: int,
    ) -> Live:
        loop = asyncio.get_running_loop()
        live: Live = Live(
            attempt=attempt,
            context=context,
            devices=devices,
            envelopes=envelopes,
            ended=loop.create_future(),
            timer=loop.call_later(lifetime, lambda: self._expire(live)),
        )
        self._live[attempt.challenge_id] = live
        return live

    def _pending_of(self, uid: int) -> list[Live]:
        return [
            live for live in self._live.values() if live.attempt.approver_uid == uid
        ]

    def count_pending(self) -> int:
        """Return how many attempts wait now."""
        return len(self._live)

    # --- answers ------------------------------------------------------------------

    def receive(self, envelope: Envelope | Stored) -> None:
        """Take an envelope from the link; what is wrong with it changes nothing."""
        device = self._registry.by_mailbox(envelope.sender)
        if device is None:
            log.debug("an envelope from an unknown mailbox was dropped")
            return
        try:
            opened = open_answer(envelope.sealed, envelope.to, device, self._keys)
            answer = opened.answer
            self._witness.verify_seen(answer, device)
            live = self._live.get(answer.challenge_id)
            attempt = verify_answer(
                opened,
                live.attempt if live else None,
                device,
                self._keys,
                self._clock.now(),
            )
        except (VerificationError, SealError, MalformedError) as error:
            if isinstance(error, ClonedError):
                self._witness.note_cloned(device, error)
            # Attack: a device, or the relay in its name, sends nonsense in a loop.
            is_told = self._seldom.may_tell(device.device_id, self._clock.now().boot)
            log.log(
                logging.WARNING if is_told else logging.DEBUG,
                "an answer of device %s was refused: %s",
                device.device_id.hex()[:16],
                make_harmless(str(error)),
            )
            return
        if live is not None:
            counted, counter = proved_counter(opened), None
            if counted is not None:
                # At once: a copy must not count on what is not on the disk yet.
                counter = self._registry.note_counter(device, counted)
            self._endings.end(live, judge(answer, attempt, device), counter)
            self._endings.note_answer(device, answer.counter)

    # --- ends ---------------------------------------------------------------------

    def _expire(self, live: Live) -> None:
        attempt = expire(live.attempt, self._clock.now())
        if attempt.end is not None:
            self._endings.end(live, attempt.end)
        elif live.attempt.is_pending():
            # The boot clock says "not yet" by the timer's last millisecond.
            loop = asyncio.get_running_loop()
            live.timer = loop.call_later(0.01, self._expire, live)

    def _cancel(self, live: Live, cause: Cause) -> None:
        if live.attempt.is_pending():
            self._endings.end(live, End(Verdict.CANCELED, cause))
        else:
            # It may have ended in this very round of the loop.
            self._endings.finish()

    def device_gone(self, device_id: DeviceId) -> None:
        """End the attempts that no active device is left to approve."""
        for live in list(self._live.values()):
            found = [self._registry.by_id(d.device_id) for d in live.devices]
            left = [d for d in found if d is not None and d.is_active()]
            if device_id not in live.envelopes:
                continue
            if not left:
                self._endings.end(live, End(Verdict.NOT_ENROLLED, Cause.NOT_ENROLLED))
            elif not any(can_approve(d, live.attempt.verification) for d in left):
                end = End(Verdict.NOT_ENROLLED, Cause.NO_VERIFICATION)
                self._endings.end(live, end)

    def end_all_of(self, account: Account, end: End) -> int:
        """End all attempts that wait for account's devices; return how many."""
        waiting = [
            live for live in self._pending_of(account.uid) if live.attempt.is_pending()
        ]
        for live in waiting:
            self._endings.end(live, end)
        return len(waiting)

    def cancel_all(self) -> None:
        """End every attempt as canceled: the daemon stops."""
        for live in list(self._live.values()):
            self._cancel(live, Cause.HANGUP)
        self._endings.stop()

    def send_again(self) -> None:
        """Send the envelopes of all pending attempts again, with the same ids.

        After a link came back: the relay may have forgotten them, a device drops an
        id that it has seen.
        """
        for live in self._live.values():
            for envelope in live.envelopes.values():
                self._post.send(envelope)

    def _forget(self, live: Live) -> None:
        self._live.pop(live.attempt.challenge_id, None)
        self._standing.release(live.attempt, live.context.lane)

    # --- audit ---------------------------------------------------------------------

    def refuse(self, context: Context, end: End) -> End:
        """Write down an end that no device was asked for, and return it.

        If it cannot be written, an approval becomes a refusal.
        """
        now = self._clock.now()
        attempt_id = secrets.token_hex(8)
        try:
            self._audit.append(attempt_record(attempt_id, context, end, None, now, 0))
        except StoreError as error:
            log.critical("the audit cannot be written: %s", error)
            return End(Verdict.UNAVAILABLE, Cause.INTERNAL)
        return end
