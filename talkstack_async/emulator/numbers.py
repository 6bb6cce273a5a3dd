"""Phone numbers that belong to a project and, perhaps, to an agent."""

import re

import attrs

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


@attrs.frozen(kw_only=True)
class PhoneNumber:
    """A number that agents call from, or at least are assigned to."""

    id: str
    e164: str
    project_id: str | None
    agent_id: str | None

    def as_read(self) -> dict[str, object]:
        """Return the number as the service prints it."""
        return {
            "e164": self.e164,
            "id": self.id,
            "status": "AVAILABLE",
            "projectId": self.project_id,
            "agentId": self.agent_id,
        }


def is_e164(text: str) -> bool:
    """Say whether a text is a number with plus and country code."""
    return _E164.fullmatch(text) is not None
