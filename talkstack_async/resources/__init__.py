"""One small class per noun of the API."""

from .agents import Agents
from .auth import Auth
from .calls import Calls
from .numbers import Numbers
from .projects import Projects
from .user import UserAccount
from .voices import Voices

__all__ = ["Agents", "Auth", "Calls", "Numbers", "Projects", "UserAccount", "Voices"]
