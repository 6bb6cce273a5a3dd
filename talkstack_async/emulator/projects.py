"""Projects, and the ways in which the service prints them."""

import attrs


@attrs.frozen(kw_only=True)
class Project:
    """A project of one user. Its name is unique among that user's."""

    id: str
    user_id: str
    name: str
    description: str
    created_at: str
    updated_at: str
    call_status_webhook: str | None = None
    active_agent: str | None = None

    def as_created(self) -> dict[str, object]:
        """Return the project as create-project prints it."""
        return {
            **self.as_active(),
            "active_agent": self.active_agent,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }

    def as_read(self) -> dict[str, object]:
        """Return the project as get, list and update print it."""
        return {**self.as_created(), "is_deleted": False}

    def as_active(self) -> dict[str, object]:
        """Return the project as set- and get-active-project print it."""
        return {
            "id": self.id,
            "name": self.name,
            "user_id": self.user_id,
            "status": "ACTIVE",
            "description": self.description,
            "call_status_webhook": self.call_status_webhook,
        }

    def as_repointed(self) -> dict[str, object]:
        """Return the project as set-active-agent prints it: without its id."""
        return {
            "name": self.name,
            "description": self.description,
            "active_agent": self.active_agent,
            "created_at": self.created_at,
            "call_status_webhook": self.call_status_webhook,
            "user_id": self.user_id,
        }
