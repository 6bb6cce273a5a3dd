"""`talkstack demo`: what this package promises, shown against the emulator."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs

from ..campaign.settings import (
    CallingWindow,
    CampaignSettings,
    Caps,
    EvidenceSettings,
    RedialPolicy,
)
from ..client import Client
from ..config import ClientConfig, FollowSettings, Timeouts
from ..models.statuses import Disposition
from .conclusion import Conclusion
from .exits import ExitCode
from .extras import refuse_missing_extras
from .output import Screen
from .proof import Proof, proof_of
from .reading import read_list
from .running import Running
from .stopping import Stop, StopRequestedError

if TYPE_CHECKING:
    from ..campaign.campaign import Campaign
    from ..campaign.ledger.base import Ledger
    from ..campaign.records import ImportSummary
    from ..emulator import Emulator

__all__ = ["demo"]

# Short, so that the numbers that never answer do not make the audience wait.
_TIMEOUTS = Timeouts(read=2.0, total=2.5)
_FOLLOW = FollowSettings(first_gap_seconds=0.5, longest_gap_seconds=0.7)
_MAX_CONCURRENCY = 150
_IN_THE_CHECKOUT = Path(__file__).parents[2] / "examples" / "contacts.csv"

_REDIAL = RedialPolicy(
    gaps=MappingProxyType(
        {
            Disposition.BUSY: 1.0,
            Disposition.NO_ANSWER: 1.5,
            Disposition.VOICEMAIL: 2.0,
            Disposition.SILENCE: 1.5,
            Disposition.FAILED: 1.0,
        }
    )
)
# Evidence is looked for early: this service's history knows a call at once.
_EVIDENCE = EvidenceSettings(fence_seconds=2.0, margin_seconds=0.5, history_lag_seconds=0.5)


async def demo(*, report: Path | None, calls_per_second: float, screen: Screen) -> int:
    """Run a campaign of the example list on an emulator, and prove by its rings what happened.

    Returns 0 if every row is accounted for and no attempt rang a phone twice: the contacts that
    need a look belong to the show.

    Raises:
        CliError: What campaigns need is not installed.
        TalkstackError: The demo broke.
    """
    refuse_missing_extras()
    stop = Stop(tell=screen.note)
    directory = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="talkstack-demo-"))
    with stop.on_signals():
        try:
            conclusion, proof = await _Demo(
                directory, report=report, calls_per_second=calls_per_second, screen=screen
            ).run(stop)
        except StopRequestedError:
            return ExitCode.INTERRUPTED
    code = _exit_code(conclusion, proof)
    _tell(conclusion, proof, code=code, screen=screen)
    return code


class _Demo:
    """The steps of the demo, in order."""

    def __init__(
        self, directory: Path, *, report: Path | None, calls_per_second: float, screen: Screen
    ) -> None:
        self._directory = directory
        self._report = report or directory / "report.html"
        self._calls_per_second = calls_per_second
        self._screen = screen

    async def run(self, stop: Stop) -> tuple[Conclusion, Proof]:
        from ..campaign.ledger.opening import open_ledger

        ledger_path = self._directory / "contacts.csv.talkstack.db"
        async with AsyncExitStack() as stack:
            emulator = await stack.enter_async_context(_emulator())
            client = await stack.enter_async_context(_client(emulator))
            opening = open_ledger(ledger_path, exclusive=True)
            ledger: Ledger = await stack.enter_async_context(opening)
            campaign, imported = await stop.unless_requested(
                self._prepare(emulator, client, ledger)
            )
            running = Running(
                client,
                campaign,
                imported=imported,
                ledger=ledger_path,
                rejects=self._rejects,
                report=self._report,
                screen=self._screen,
            )
            conclusion = await running.run(stop, wait=True)
            proof = await proof_of(
                ledger.export(campaign.record.campaign_id),
                rang=(ring.number for ring in emulator.rings),
                rows=imported.rows,
                apart=imported.duplicates + imported.rejected,
            )
        return conclusion, proof

    @property
    def _rejects(self) -> Path:
        return self._directory / "contacts.csv.rejected.csv"

    async def _prepare(
        self, emulator: Emulator, client: Client, ledger: Ledger
    ) -> tuple[Campaign, ImportSummary]:
        from ..campaign.campaign import Campaign
        from ..campaign.records import ImportSummary

        self._screen.note(
            f"{self._calls_per_second:g} calls per second to an emulator on this machine: no real "
            "phone rings. Hours and gaps are short, so that it is over soon"
        )
        settings = _settings(emulator, calls_per_second=self._calls_per_second)
        campaign = await Campaign.open(ledger, "demo", settings=settings)
        await campaign.check_agent(client)
        file = await asyncio.to_thread(_list, self._directory)
        imported = await read_list(
            campaign, file, region=None, rejects=self._rejects, screen=self._screen
        )
        return campaign, imported or ImportSummary()


def _emulator() -> Emulator:
    from ..emulator import Emulator, Script

    return Emulator(
        script=Script(
            queued_for=0.1,
            ringing_for=0.4,
            talking_for=0.8,
            latency=0.02,
            outcomes={
                "completed": 70,
                "busy": 8,
                "no-answer": 10,
                "voicemail": 8,
                "silence": 2,
                "failed": 2,
            },
        )
    )


def _settings(emulator: Emulator, *, calls_per_second: float) -> CampaignSettings:
    return CampaignSettings(
        project_id=emulator.project_id,
        agent_id=emulator.agent_id,
        window=CallingWindow.parse("00:00-24:00"),
        redial=_REDIAL,
        caps=Caps(per_day=20, per_week=20, gap_seconds=0),
        evidence=_EVIDENCE,
        max_concurrency=_MAX_CONCURRENCY,
        calls_per_second=calls_per_second,
    )


def _list(directory: Path) -> Path:
    """Return the list of the checkout; where there is none, write the same one."""
    if _IN_THE_CHECKOUT.is_file():
        return _IN_THE_CHECKOUT
    from .demo_list import demo_list

    path = directory / "contacts.csv"
    path.write_text(demo_list(), encoding="utf-8", newline="")
    return path


def _client(emulator: Emulator) -> Client:
    config = ClientConfig(
        calls_url=emulator.calls_url,
        api_url=emulator.api_url,
        project_id=emulator.project_id,
        agent_id=emulator.agent_id,
        timeouts=_TIMEOUTS,
        follow=_FOLLOW,
    )
    return Client(emulator.api_key, config=config)


def _exit_code(conclusion: Conclusion, proof: Proof) -> ExitCode:
    if conclusion.interrupted:
        return ExitCode.INTERRUPTED
    is_shown = proof.holds and conclusion.trouble is None
    return ExitCode.ALL_PLACED if is_shown else ExitCode.FAILURES


def _tell(conclusion: Conclusion, proof: Proof, *, code: ExitCode, screen: Screen) -> None:
    conclusion.show(screen=screen)
    screen.table("Proof: which phones rang, by the emulator's own ledger", _rows(proof))
    for line in _verdict(proof):
        screen.say(line)
    screen.document(
        {
            **conclusion.document(),
            "proof": attrs.asdict(proof),
            "proof_holds": proof.holds,
            "exit_code": int(code),
        }
    )


def _rows(proof: Proof) -> list[tuple[str, str]]:
    return [
        ("rows accounted for", f"{proof.accounted} of {proof.rows}"),
        ("attempts whose call is known", f"{proof.certain_rang} of {proof.certain} rang"),
        ("attempts without a trace", f"{proof.lost_rang} of {proof.lost} rang, nobody guesses"),
        ("rings", f"{proof.rings} for {proof.attempts} attempts"),
        ("rings beyond the attempts", f"{proof.beyond + proof.strangers}"),
    ]


def _verdict(proof: Proof) -> Iterator[str]:
    yield (
        "calls whose answer was lost were found in the call history afterwards; what left no "
        "trace there waits for a person and is not called again by itself"
    )
    if proof.beyond or proof.strangers:
        yield f"{proof.beyond + proof.strangers} RINGS TOO MANY"
    else:
        yield "No phone rang more often than it was to be called."
    if proof.accounted != proof.rows:
        yield f"{proof.rows - proof.accounted} ROWS ARE NOT ACCOUNTED FOR"
