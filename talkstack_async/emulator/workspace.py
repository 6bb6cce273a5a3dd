"""What the users of the emulated service own: projects, agents, phone numbers."""

import random
from collections.abc import Callable

import attrs

from .agents import Agent
from .clock import VirtualClock
from .identity import Identity, new_id
from .numbers import PhoneNumber
from .projects import Project

_INSTRUCTION = "You are Ada, an agent of the emulator. Greet {{name}} and ask how they are."


class Workspace:
    """Every project, agent and number, each found by its id."""

    def __init__(self, identity: Identity, *, clock: VirtualClock) -> None:
        self._clock = clock
        self._chance = random.Random(f"workspace:{identity.seed}")
        self.projects: dict[str, Project] = {}
        self.agents: dict[str, Agent] = {}
        self.numbers: dict[str, PhoneNumber] = {}
        self._seed(identity)

    def _seed(self, identity: Identity) -> None:
        now = self._clock.stamp()
        self.projects[identity.project_id] = Project(
            id=identity.project_id,
            user_id=identity.user_id,
            name="Emulator",
            description="The project that exists from the start",
            created_at=now,
            updated_at=now,
            active_agent=identity.agent_id,
        )
        self.agents[identity.agent_id] = Agent(
            id=identity.agent_id,
            project_id=identity.project_id,
            name="Ada",
            system_instruction=_INSTRUCTION,
            voice_id="VOICE-1",
        )
        self.numbers[identity.number_id] = PhoneNumber(
            id=identity.number_id,
            e164=identity.caller_ids[0],
            project_id=identity.project_id,
            agent_id=identity.agent_id,
        )

    def project_of(self, user_id: str, project_id: str | None) -> Project | None:
        """Return a project if it exists and belongs to this user."""
        project = None if project_id is None else self.projects.get(project_id)
        return project if project is not None and project.user_id == user_id else None

    def projects_of(self, user_id: str) -> list[Project]:
        """Return the projects of a user in order of creation."""
        return [project for project in self.projects.values() if project.user_id == user_id]

    def add_project(self, *, user_id: str, name: str, description: str) -> Project:
        """Create a project, whether or not its name is taken."""
        now = self._clock.stamp()
        project = Project(
            id=new_id(self._chance),
            user_id=user_id,
            name=name,
            description=description,
            created_at=now,
            updated_at=now,
        )
        self.projects[project.id] = project
        return project

    def change_project(self, project: Project) -> Project:
        """Keep a changed project in place of the one with its id."""
        changed = attrs.evolve(project, updated_at=self._clock.stamp())
        self.projects[project.id] = changed
        return changed

    def remove_project(self, project: Project) -> None:
        """Remove a project with its agents and numbers."""
        del self.projects[project.id]
        for agent in self.agents_of(project.id):
            del self.agents[agent.id]
        for number in self.numbers_where(lambda number: number.project_id == project.id):
            del self.numbers[number.id]

    def agent_of(self, project_id: str, agent_id: str) -> Agent | None:
        """Return an agent if it exists and belongs to this project."""
        agent = self.agents.get(agent_id)
        return agent if agent is not None and agent.project_id == project_id else None

    def agents_of(self, project_id: str) -> list[Agent]:
        """Return the agents of a project in order of creation."""
        return [agent for agent in self.agents.values() if agent.project_id == project_id]

    def add_agent(
        self,
        *,
        project_id: str,
        name: str,
        system_instruction: str,
        voice_id: str | None,
        phone_number: str | None,
    ) -> Agent:
        """Create an agent and assign the number to it, if one was given."""
        agent = Agent(
            id=new_id(self._chance),
            project_id=project_id,
            name=name,
            system_instruction=system_instruction,
            voice_id=voice_id,
            phone_number=phone_number,
        )
        self.agents[agent.id] = agent
        if phone_number is not None:
            self.assign_number(phone_number, agent=agent)
        return agent

    def change_agent(self, agent: Agent) -> None:
        """Keep a changed agent in place of the one with its id."""
        self.agents[agent.id] = agent

    def remove_agent(self, agent: Agent) -> None:
        """Remove an agent; its numbers stay in the project, and nobody's default is it."""
        del self.agents[agent.id]
        for number in self.numbers_where(lambda number: number.agent_id == agent.id):
            self.numbers[number.id] = attrs.evolve(number, agent_id=None)
        for project in list(self.projects.values()):
            if project.active_agent == agent.id:
                self.change_project(attrs.evolve(project, active_agent=None))

    def numbers_where(self, applies: Callable[[PhoneNumber], bool]) -> list[PhoneNumber]:
        """Return the numbers a condition applies to, in order of arrival."""
        return [number for number in self.numbers.values() if applies(number)]

    def assign_number(self, e164: str, *, agent: Agent) -> PhoneNumber:
        """Give a number to an agent, taking it from whoever had it."""
        known = self.numbers_where(lambda number: number.e164 == e164)
        number = PhoneNumber(
            id=known[0].id if known else new_id(self._chance),
            e164=e164,
            project_id=agent.project_id,
            agent_id=agent.id,
        )
        self.numbers[number.id] = number
        return number
