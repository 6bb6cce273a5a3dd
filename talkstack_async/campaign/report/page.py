"""Writing the report: one HTML page that needs no script, no network and no other file."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CampaignError, MissingExtraError
from ..ledger.base import Ledger
from ..private import PrivateFile
from ..records import CampaignRecord
from .figures import Figures, figures_of

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["render", "write_report"]


async def write_report(
    ledger: Ledger,
    campaign: CampaignRecord,
    path: Path,
    *,
    show_numbers: bool = False,
    now: datetime,
    overwrite: bool = True,
) -> Path:
    """Write a campaign's report and return where it is.

    Numbers are masked unless `show_numbers` is true. Only the file's owner may read it.

    Raises:
        CampaignError: It cannot be written.
        MissingExtraError: jinja2 is not installed.
    """
    facts = await ledger.facts(campaign.campaign_id, now=now)
    head = await ledger.head()
    figures = figures_of(facts, head=head, show_numbers=show_numbers, now=now)
    return await asyncio.to_thread(_write, figures, path, overwrite=overwrite)


def _write(figures: Figures, path: Path, *, overwrite: bool) -> Path:
    with PrivateFile(path, overwrite=overwrite) as file:
        try:
            file.beside.write_text(render(figures), encoding="utf-8", errors="replace")
        except OSError as error:
            raise CampaignError(f"{path}: cannot be written ({error.strerror})") from error
        file.finish()
    return path


def render(figures: Figures) -> str:
    """Return the page."""
    return _template().render(f=figures)


@cache
def _template() -> Template:
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError(
            "writing a report needs jinja2: pip install 'talkstack-async[campaign]'"
        ) from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["count"] = "{:,}".format
    environment.filters["moment"] = _moment
    text = Path(__file__).with_name("template.html").read_text(encoding="utf-8")
    return environment.from_string(text)


def _moment(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"
