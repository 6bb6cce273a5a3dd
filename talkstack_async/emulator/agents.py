"""Agents, and the ways in which the service prints them."""

import attrs


@attrs.frozen(kw_only=True)
class Agent:
    """An agent of one project. Its instruction may hold `{{placeholders}}`."""

    id: str
    project_id: str
    name: str
    system_instruction: str
    voice_id: str | None = None
    phone_number: str | None = None

    def as_read(self) -> dict[str, object]:
        """Return the agent as read and list print it: bare, and without its voice."""
        return {
            "name": self.name,
            "projectId": self.project_id,
            "id": self.id,
            "systemInstruction": self.system_instruction,
        }

    def as_created(self) -> dict[str, object]:
        """Return the agent the way create-agent probably prints it."""
        more = {"phoneNumber": self.phone_number} if self.phone_number else {}
        return {**self.as_read(), "voice_id": self.voice_id, **more}

    def as_updated(self) -> dict[str, object]:
        """Return the agent as update prints it: the key of its id is another one there."""
        return {
            "projectId": self.project_id,
            "agentId": self.id,
            "name": self.name,
            "systemInstruction": self.system_instruction,
            "voice_id": self.voice_id,
        }
