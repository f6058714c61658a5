"""`pushmfa daemon` and `pushmfa relay`: the two services in the foreground."""

from typing import TYPE_CHECKING, Any

import click

from pushmfa.cli.options import config_option, config_path, examples

if TYPE_CHECKING:
    from pushmfa.config.model import RelayConfig, WebConfig
    from pushmfa.relay.settings import RelaySettings, WebSettings


@click.command(
    epilog=examples("pushmfa daemon --config /etc/pushmfa/pushmfa.toml"),
)
@config_option()
@click.pass_context
def daemon(context: click.Context) -> int:
    """Run the daemon of this host.

    In the foreground, until SIGTERM; the systemd unit does.
    """
    from pushmfa.config.host import load_host_config
    from pushmfa.config.run_dir import DEFAULT_PATH
    from pushmfa.daemon.main import run
    from pushmfa.daemon.sockets import turning_away

    path = config_path(context, DEFAULT_PATH)
    with turning_away():
        return run(load_host_config(path), path)


@click.command(
    epilog=examples("pushmfa relay --config /etc/pushmfa/relay.toml"),
)
@config_option()
@click.pass_context
def relay(context: click.Context) -> int:
    """Run a relay.

    In the foreground, until SIGTERM; the systemd unit does.
    """
    from pushmfa.config.relay import DEFAULT_PATH, load_relay_config
    from pushmfa.relay.main import run

    config = load_relay_config(config_path(context, DEFAULT_PATH))
    return run(relay_settings(config))


def relay_settings(config: "RelayConfig") -> "RelaySettings":
    """Return what relay.toml says as the relay takes it, with its defaults."""
    from pushmfa.config.model import RateLimit
    from pushmfa.config.names import parse_place
    from pushmfa.relay.limits import Rate, RelayLimits
    from pushmfa.relay.settings import PushSettings, RelaySettings

    # Names and types were checked against these fields; a test holds them equal.
    limits: dict[str, Any] = {
        name: Rate(limit.burst, limit.per_second)
        if isinstance(limit, RateLimit)
        else limit
        for name, limit in config.limits.items()
    }
    host = parse_place(config.public_urls[0], ("wss", "ws")).host
    return RelaySettings(
        public_urls=frozenset(config.public_urls),
        state_path=config.state / "relay.db",
        address=config.listen.address,
        port=config.listen.port,
        tls_cert=config.listen.tls_cert,
        tls_key=config.listen.tls_key,
        trusted_proxies=config.listen.trusted_proxies,
        origins=frozenset(config.web.origins),
        web=_web_settings(config.web),
        push=PushSettings(
            enabled=config.push.enabled,
            contact=config.push.contact or f"mailto:root@{host}",
            hook_url=config.push.hook_url,
            command=config.push.command,
        ),
        limits=RelayLimits(**limits),
    )


def _web_settings(web: "WebConfig") -> "WebSettings | None":
    from pushmfa.relay.settings import WebSettings

    if web.listen is None:
        return None
    address, port = web.listen
    return WebSettings(
        address=address,
        port=port,
        relays=web.relays,
        tls_cert=web.tls_cert,
        tls_key=web.tls_key,
    )
