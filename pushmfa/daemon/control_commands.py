"""What can be asked over control.sock; who may ask it says login/authority."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from pushmfa.daemon import (
    control_account,
    control_audit,
    control_devices,
    control_enrollment,
    control_host,
)
from pushmfa.daemon.calls import Call, Exchange, Parts, refuse
from pushmfa.daemon.control_status import status_of
from pushmfa.daemon.names import account_named, account_of, is_in_group
from pushmfa.errors import UsageError
from pushmfa.login import authority
from pushmfa.login.authority import Command, Permission
from pushmfa.login.policy import Account
from pushmfa.terms import VERSION
from pushmfa.text import make_harmless
from pushmfa.wire import control
from pushmfa.wire.control_account import Mute, StartConfirm, Unlock
from pushmfa.wire.control_audit import TailAudit, VerifyAudit
from pushmfa.wire.control_host import GetBackup

MONITOR_GROUP: Final = "pushmfa-monitor"

Handler = Callable[[Parts, Call, Any], Awaitable[control.Reply]]

_FOR_ACCOUNT: Final[Mapping[type[Any], tuple[Command, Handler]]] = {
    control.ListDevices: (Command.DEVICES_LIST, control_devices.list_devices),
    control.RevokeDevice: (Command.DEVICES_REVOKE, control_devices.revoke_device),
    control.RenameDevice: (Command.DEVICES_RENAME, control_devices.rename_device),
    control.ReportLost: (Command.DEVICES_LOST, control_devices.report_lost),
    control.StartTest: (Command.TEST, control_devices.start_test),
    StartConfirm: (Command.CONFIRM, control_account.start_confirm),
    Mute: (Command.MUTE, control_account.mute),
    Unlock: (Command.UNLOCK, control_account.unlock),
    control.MakeTicket: (Command.ENROLL_TICKET, control_enrollment.make_ticket),
    control.Enroll: (Command.ENROLL, control_enrollment.enroll),
}
"""Requests about one account, the caller's own or one that it names."""


class Commands:
    """Runs one request to its reply."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(
        self, request: control.Request, uid: int, exchange: Exchange
    ) -> control.Reply:
        """Return the reply to request by the user uid, or raise PushmfaError."""
        if isinstance(request, control.GetHost):
            return self._host(uid)
        if isinstance(request, control.GetStatus):
            return await self._status(request, uid, exchange)
        if isinstance(request, TailAudit):
            return await self._tail(request, uid, exchange)
        if isinstance(request, VerifyAudit):
            self._need(Command.AUDIT_ALL, uid)
            return await control_audit.verify(self._parts)
        if isinstance(request, GetBackup):
            self._need(Command.HOST_BACKUP, uid)
            return await control_host.back_up(self._parts, exchange)
        found = _FOR_ACCOUNT.get(type(request))
        if found is None or isinstance(request, control.EnrollCode):
            raise UsageError("this request cannot stand alone")
        command, handler = found
        call = await self._call(command, request.user, uid, exchange)
        return await handler(self._parts, call, request)

    async def _call(
        self, command: Command, user: str | None, uid: int, exchange: Exchange
    ) -> Call:
        """Return the call, or raise NotPermittedError.

        Whether another account exists is told to root only.
        """
        account = await self._account(user, uid)
        owner = account.uid if account else None
        # Asked last: a group of a directory can be long, and few callers need it.
        is_monitor = uid not in (0, owner) and await is_in_group(uid, MONITOR_GROUP)
        caller = authority.caller_of(uid, owner, is_monitor=is_monitor)
        permission = authority.decide(command, caller)
        if permission is Permission.NO:
            refuse(command, uid)
        if account is None:
            name = make_harmless(user or str(uid))
            raise UsageError(
                f"there is no account {name}", hint="Check the spelling of the name."
            )
        return Call(uid, account, permission, exchange)

    @staticmethod
    async def _account(user: str | None, uid: int) -> Account | None:
        if uid == 0 and user is not None:
            return await account_named(user)
        own = await account_of(uid)
        # Attack: any user has the daemon look for a thousand names that a slow
        # directory does not know, until no thread is left to look for those of
        # logins. Nobody but root has business with an account that is not the own.
        return own if user is None or own is None or own.name == user else None

    def _host(self, uid: int) -> control.Host:
        self._need(Command.HOST, uid)
        host = self._parts.host
        return control.Host(host_id=host.host_id, host_name=host.name, version=VERSION)

    @staticmethod
    def _need(command: Command, uid: int) -> None:
        """Return if uid may do what concerns no account, or raise NotPermittedError."""
        caller = authority.caller_of(uid, None, is_monitor=False)
        if authority.decide(command, caller) is not Permission.YES:
            refuse(command, uid)

    async def _tail(
        self, request: TailAudit, uid: int, exchange: Exchange
    ) -> control.Reply:
        account = None
        if request.user is None and uid == 0:
            self._need(Command.AUDIT_ALL, uid)
        else:
            user, own = request.user, Command.AUDIT_OWN
            account = (await self._call(own, user, uid, exchange)).account
        return await control_audit.tail(self._parts, exchange, account, request)

    async def _status(
        self, request: control.GetStatus, uid: int, exchange: Exchange
    ) -> control.Status:
        if request.user is None and await account_of(uid) is None:
            # A uid without an account, such as a service's: health without names.
            monitor = await is_in_group(uid, MONITOR_GROUP)
            caller = authority.caller_of(uid, None, is_monitor=monitor)
            if authority.decide(Command.HEALTH, caller) is Permission.NO:
                refuse(Command.HEALTH, uid)
            return status_of(self._parts, None)
        call = await self._call(Command.STATUS, request.user, uid, exchange)
        return status_of(self._parts, call.account)
