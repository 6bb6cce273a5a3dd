"""Voices that agents can have."""

from __future__ import annotations

from ..models.voices import Voice
from ..transport.transport import Transport
from ..wire.endpoints import VOICES_GET, VOICES_LIST
from ..wire.readers import list_reader, reader
from ..wire.requests import build

__all__ = ["Voices"]

_read_voice = reader(Voice, "voice")
_read_voices = list_reader(Voice, "voices")


class Voices:
    """Voices. Reached as `client.voices`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> list[Voice]:
        """Read all voices there are."""
        return await self._transport.send(build(VOICES_LIST), _read_voices)

    async def get(self, voice_id: str) -> Voice:
        """Read one voice.

        What the service says to an unknown id is not documented; `NotFoundError` is likely.
        """
        request = build(VOICES_GET, path={"voice_id": voice_id})
        return await self._transport.send(request, _read_voice)
