"""`talkstack demo`: what this package promises, shown against the emulator."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..campaign.contacts import read_contacts
from ..client import Client
from ..clock import SystemClock
from ..config import ClientConfig, Timeouts
from .driving import drive
from .exits import ExitCode
from .listing import ListRun
from .output import Screen
from .progress import shown_progress
from .proof import Proof, proof_of
from .report import show_account, show_unwritten
from .results import ResultsFile
from .stopping import Stop

if TYPE_CHECKING:
    from ..emulator import Emulator

__all__ = ["demo"]

# Short, so that the numbers that never answer do not make the audience wait.
_TIMEOUTS = Timeouts(read=2.0, total=4.0)
_MAX_CONCURRENCY = 20
_IN_THE_CHECKOUT = Path(__file__).parents[2] / "examples" / "contacts.csv"


async def demo(*, results: Path | None, calls_per_second: float, screen: Screen) -> int:
    """Dial the example list against an emulator and prove by its ledger what happened.

    Returns 0 if every row is accounted for and no phone rang twice: the uncertain calls belong
    to the show.
    """
    from ..emulator import Emulator

    stop = Stop(tell=screen.note)
    directory = await asyncio.to_thread(tempfile.mkdtemp, prefix="talkstack-demo-")
    out = ResultsFile(results or Path(directory) / "demo-results.jsonl")
    out.refuse_if_present()
    with read_contacts(_list(Path(directory))) as contacts, stop.on_signals():
        async with Emulator() as emulator:
            screen.note(
                f"{_MAX_CONCURRENCY} calls at once, {calls_per_second:g} per second, to an "
                "emulator on this machine: no real phone rings"
            )
            run = ListRun(contacts, results=out, stop=stop, clock=SystemClock())
            progress = shown_progress(run.account, contacts, screen=screen, clock=SystemClock())
            async with _client(emulator) as client, progress:
                dispatcher = client.dispatcher(
                    max_concurrency=_MAX_CONCURRENCY,
                    calls_per_second=calls_per_second,
                    on_outcome=run.note,
                )
                with out:
                    async with dispatcher:
                        await drive(dispatcher, run.requests(), stop=stop)
    proof = proof_of(out.path, rang=(ring.number for ring in emulator.rings))
    code = _exit_code(run, proof, stop=stop)
    _report(run, out, proof=proof, code=code, screen=screen)
    return code


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
    )
    return Client(emulator.api_key, config=config)


def _exit_code(run: ListRun, proof: Proof, *, stop: Stop) -> ExitCode:
    if stop.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.ALL_PLACED if proof.holds and not run.trouble else ExitCode.FAILURES


def _report(
    run: ListRun, out: ResultsFile, *, proof: Proof, code: ExitCode, screen: Screen
) -> None:
    show_unwritten(run.unwritten, screen=screen)
    show_account(run.account, screen=screen, results=out)
    _show(proof, screen=screen)
    if run.trouble:
        screen.note(f"talkstack: {run.trouble}")
    screen.document(
        {
            **run.account.as_json(),
            "rings": proof.rings,
            "numbers_that_rang": proof.numbers,
            "rang_twice": proof.rang_twice,
            "proof_holds": proof.holds,
            "results": str(out.path),
            "exit_code": int(code),
        }
    )


def _show(proof: Proof, *, screen: Screen) -> None:
    screen.table(
        "Proof: which phones rang, by the emulator's own ledger",
        [
            ("placed", f"{proof.placed_rang} of {proof.placed} rang"),
            ("not placed", f"{proof.not_placed_rang} of {proof.not_placed} rang"),
            ("uncertain", f"{proof.uncertain_rang} of {proof.uncertain} rang, so nobody guesses"),
            ("anybody else", f"{proof.others_rang} rang"),
            ("rings", f"{proof.rings} for {proof.numbers} numbers"),
        ],
    )
    screen.say(
        f"{proof.rang_twice} NUMBERS RANG TWICE" if proof.rang_twice else "No number rang twice."
    )
