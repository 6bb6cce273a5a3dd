"""A client from the environment and the options, checked before anything happens."""

from __future__ import annotations

import attrs

from ..client import Client
from ..config import ClientConfig, Timeouts
from ..errors import ConfigurationError
from .exits import CliError

__all__ = ["client_from_env"]


def client_from_env(
    *, project_id: str | None, agent_id: str | None, timeout_seconds: float
) -> Client:
    """Make a client whose calls need nothing but a number.

    Raises:
        ConfigurationError: A setting is missing or cannot work.
        CliError: There is no project or no agent.
    """
    config = ClientConfig.from_env()
    if not config.api_key and not config.token:
        raise ConfigurationError(
            "no credential: set TALKSTACK_API_KEY (or TALKSTACK_TOKEN) in the environment"
        )
    config = attrs.evolve(
        config,
        project_id=project_id or config.project_id,
        agent_id=agent_id or config.agent_id,
        timeouts=Timeouts(read=timeout_seconds, total=timeout_seconds),
    )
    for name in ("project_id", "agent_id"):
        if not getattr(config, name):
            option = name.replace("_", "-")
            raise CliError(f"no {name}: give --{option} or set TALKSTACK_{name.upper()}")
    return Client(config=config)
