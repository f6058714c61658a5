"""A link: hello, envelopes, and what happens when relays fail."""

import asyncio

import pytest

from pushmfa.crypto.keys import new_seed
from pushmfa.crypto.signing import Label, Signer, mailbox_id_of, verify_signature
from pushmfa.link.link import Link, LinkState, OpenMailbox
from pushmfa.terms import EnvelopeId, Role, WakeUp
from pushmfa.wire.link import (
    Accepted,
    Allow,
    Envelope,
    Quiet,
    Received,
    RefusalReason,
    Refused,
    Stored,
    Withdraw,
    decode_relay_hello,
)
from tests.integration.link_world import (
    HOST,
    STRANGER,
    device_mailbox,
    envelope_to,
    fake_relay,
    live,
    make_link,
    running,
    until,
)

pytestmark = pytest.mark.integration


def test_hello_proves_the_mailboxes_and_names_the_relay() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        async with fake_relay() as relay, running(make_link([relay.name], mailbox)):
            hello = relay.hellos[0]
            statement = decode_relay_hello(hello.statement)
            assert statement.relay == relay.name
            assert statement.nonce == relay.nonce
            assert statement.role is Role.DEVICE
            proof = hello.mailboxes[0]
            assert mailbox_id_of(proof.key) == mailbox.mailbox
            verify_signature(
                proof.key, Label.RELAY_HELLO, hello.statement, proof.signature
            )
            assert await relay.hear() == Allow(mailbox=mailbox.mailbox, senders=(HOST,))

    asyncio.run(scenario())


def test_the_request_says_nothing_of_this_machine() -> None:
    async def scenario() -> None:
        link_mailbox = device_mailbox()
        async with (
            fake_relay() as relay,
            running(make_link([relay.name], link_mailbox)),
        ):
            names = {name.lower() for name in relay.headers}
            assert "user-agent" not in names
            assert "sec-websocket-extensions" not in names, "compression is offered"

    asyncio.run(scenario())


def test_a_host_sends_no_allow_list() -> None:
    async def scenario() -> None:
        mailbox = OpenMailbox(Signer.from_seed(new_seed()))
        async with fake_relay() as relay:
            link = make_link([relay.name], mailbox, role=Role.HOST)
            async with running(link):
                assert await relay.hears_nothing()

    asyncio.run(scenario())


def test_stored_is_acknowledged_and_live_is_not() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        got: list[Envelope | Stored] = []
        async with (
            fake_relay() as relay,
            running(make_link([relay.name], mailbox, got)),
        ):
            await relay.hear()
            await relay.say(live(envelope_to(mailbox, 1)))
            await relay.say(envelope_to(mailbox, 2))
            stored = envelope_to(mailbox, 2)
            assert await relay.hear() == Received(mailbox=stored.to, id=stored.id)
            # Again, as after a lost acknowledgment: dropped, but acknowledged.
            await relay.say(stored)
            assert await relay.hear() == Received(mailbox=stored.to, id=stored.id)
            assert [envelope.id[0] for envelope in got] == [1, 2]

    asyncio.run(scenario())


def test_an_envelope_by_two_relays_is_taken_once() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        got: list[Envelope | Stored] = []
        async with fake_relay() as one, fake_relay() as two:
            link = make_link([one.name, two.name], mailbox, got)
            async with running(link):
                await until(lambda: all(state.is_ready for state in link.states()))
                await one.hear()
                await two.hear()
                await one.say(live(envelope_to(mailbox, 1)))
                await until(lambda: len(got) == 1)
                await two.say(envelope_to(mailbox, 1))
                assert isinstance(await two.hear(), Received)
                assert len(got) == 1
                answer = live(envelope_to(mailbox, 7))
                assert link.send(answer)
                assert await one.hear() == answer
                assert await two.hear() == answer

    asyncio.run(scenario())


def test_with_one_relay_down_the_other_takes_it() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        async with fake_relay() as gone:
            pass
        async with fake_relay() as there:
            link = make_link([gone.name, there.name], mailbox)
            async with running(link):
                await there.hear()
                await until(lambda: "cannot connect" in link.states()[0].problem)
                assert link.send(live(envelope_to(mailbox, 7)))
                assert isinstance(await there.hear(), Envelope)

    asyncio.run(scenario())


def test_without_a_link_nothing_is_taken() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        async with fake_relay() as gone:
            pass
        async with running(make_link([gone.name], mailbox), is_ready=False) as link:
            assert not await link.wait_ready(0.05)
            assert not link.send(live(envelope_to(mailbox, 7)))
            assert not link.states()[0].is_ready

    asyncio.run(scenario())


def test_it_comes_back_after_the_relay_died() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        states: list[LinkState] = []
        async with fake_relay() as relay:
            port = relay.port
            link = make_link([relay.name], mailbox, on_state=states.append)
            task = asyncio.create_task(link.run())
            assert await link.wait_ready(5)
        await until(lambda: not link.states()[0].is_ready)
        async with fake_relay(port) as again:
            assert await link.wait_ready(5)
            assert again.hellos
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        readiness = [state.is_ready for state in states]
        assert readiness[:2] == [True, False]
        assert True in readiness[2:]

    asyncio.run(scenario())


def test_quiet_is_said_to_a_relay_that_knows_it() -> None:
    async def scenario() -> None:
        mailbox = OpenMailbox(Signer.from_seed(new_seed()))
        envelope = live(envelope_to(mailbox, 1))
        async with fake_relay() as old, fake_relay() as new:
            new.features = ("later", "quiet")
            link = make_link([old.name, new.name], mailbox, role=Role.HOST)
            async with running(link):
                await until(lambda: all(state.is_ready for state in link.states()))
                assert link.send(envelope, quiet=True)
                assert await old.hear() == envelope
                assert await new.hear() == Quiet.of(envelope)
                assert link.send(envelope)
                assert await new.hear() == envelope

    asyncio.run(scenario())


def test_the_sender_hears_of_accepted_and_refused() -> None:
    async def scenario() -> None:
        mailbox = OpenMailbox(Signer.from_seed(new_seed()))
        heard: list[tuple[str, Accepted | Refused]] = []
        async with fake_relay() as relay:
            link = Link(
                urls=[relay.name],
                role=Role.HOST,
                mailboxes=[mailbox],
                on_envelope=lambda envelope: None,
                on_accepted=lambda name, frame: heard.append((name, frame)),
                on_refused=lambda name, frame: heard.append((name, frame)),
            )
            async with running(link):
                assert relay.hellos[0].features == ("accepted",)
                accepted = Accepted(id=EnvelopeId(b"a" * 16), wakeup=WakeUp.NONE)
                refused = Refused(
                    id=EnvelopeId(b"a" * 16), reason=RefusalReason.NOT_ALLOWED
                )
                await relay.say(accepted)
                await relay.say(refused)
                await until(lambda: len(heard) == 2)
                assert heard == [(relay.name, accepted), (relay.name, refused)]

    asyncio.run(scenario())


def test_withdraw() -> None:
    async def scenario() -> None:
        mailbox = OpenMailbox(Signer.from_seed(new_seed()))
        async with fake_relay() as relay:
            link = make_link([relay.name], mailbox, role=Role.HOST)
            async with running(link):
                identifier = EnvelopeId(b"a" * 16)
                assert link.withdraw(
                    identifier=identifier, to=STRANGER, sender=mailbox.mailbox
                )
                assert await relay.hear() == Withdraw(
                    id=identifier, to=STRANGER, sender=mailbox.mailbox
                )

    asyncio.run(scenario())


def test_flush_waits_for_the_write_and_not_for_a_link_that_ended() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        async with fake_relay() as relay:
            async with running(make_link([relay.name], mailbox)) as link:
                await relay.hear()
                link.send(live(envelope_to(mailbox, 7)))
                async with asyncio.timeout(5):
                    await link.flush(60)
                assert isinstance(await relay.hear(), Envelope)
            link.send(live(envelope_to(mailbox, 8)))
            async with asyncio.timeout(5):
                await link.flush(60)

    asyncio.run(scenario())


def test_who_does_not_acknowledge_leaves_it_at_the_relay() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        got: list[Envelope | Stored] = []
        async with fake_relay() as relay:
            link = Link(
                urls=[relay.name],
                role=Role.DEVICE,
                mailboxes=[mailbox],
                on_envelope=got.append,
                acknowledges=False,
            )
            async with running(link):
                await relay.hear()
                await relay.say(envelope_to(mailbox, 1))
                await until(lambda: len(got) == 1)
                assert await relay.hears_nothing()

    asyncio.run(scenario())
