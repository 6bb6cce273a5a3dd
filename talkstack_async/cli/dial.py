"""`talkstack dial`: a list, each row at most once, each row accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from ..campaign.contacts import ContactList, read_contacts
from ..client import Client
from ..errors import ContactListError
from .connecting import client_from_env
from .driving import drive
from .exits import ExitCode
from .listing import ListRun
from .output import Screen
from .progress import shown_progress
from .report import recognisable, show_account, show_unwritten
from .results import ResultsFile
from .stopping import Stop

__all__ = ["DialOptions", "dial"]


@attrs.frozen(kw_only=True)
class DialOptions:
    """What `talkstack dial` was told."""

    file: Path
    results: Path
    max_concurrency: int = 10
    calls_per_second: float | None = None
    project_id: str | None = None
    agent_id: str | None = None
    timeout_seconds: float = 60.0
    grace_seconds: float = 30.0
    allow_duplicates: bool = False
    follow: bool = False
    check_variables: bool = False


async def dial(options: DialOptions, *, screen: Screen) -> int:
    """Dial a list and return the exit code.

    Everything that can be known beforehand is checked before the results file is made, and
    that before anybody is called.
    """
    results = ResultsFile(options.results, follow=options.follow)
    results.refuse_if_present()
    stop = Stop(tell=screen.note)
    client = client_from_env(
        project_id=options.project_id,
        agent_id=options.agent_id,
        timeout_seconds=options.timeout_seconds,
        tell=screen.note,
    )
    with read_contacts(options.file) as contacts, stop.on_signals():
        async with client:
            return await _Dialling(options, client=client, stop=stop, screen=screen).run(
                contacts, results
            )


class _Dialling:
    """The steps of one `dial`, in order."""

    def __init__(
        self, options: DialOptions, *, client: Client, stop: Stop, screen: Screen
    ) -> None:
        self._options = options
        self._client = client
        self._stop = stop
        self._screen = screen

    async def run(self, contacts: ContactList, results: ResultsFile) -> int:
        run = ListRun(
            contacts,
            results=results,
            stop=self._stop,
            clock=self._client.clock,
            allow_duplicates=self._options.allow_duplicates,
        )
        dispatcher = self._client.dispatcher(
            max_concurrency=self._options.max_concurrency,
            calls_per_second=self._options.calls_per_second,
            grace_seconds=self._options.grace_seconds,
            on_outcome=run.note,
        )
        # A service that cannot be reached concerns all rows: it is said once, before the first.
        await self._client.warm_up(1)
        if self._stop.requested.is_set():
            self._screen.fail("stopped before anybody was called", code=ExitCode.INTERRUPTED)
            return ExitCode.INTERRUPTED
        with results:
            async with (
                dispatcher,
                shown_progress(
                    run.account, contacts, screen=self._screen, clock=self._client.clock
                ),
            ):
                try:
                    await drive(
                        dispatcher,
                        run.requests(),
                        stop=self._stop,
                        follow=self._options.follow,
                        check_variables=self._options.check_variables,
                    )
                except ContactListError as error:
                    run.trouble = run.trouble or f"{self._options.file}: {error}"
            return await self._finish(run, contacts, results)

    async def _finish(self, run: ListRun, contacts: ContactList, results: ResultsFile) -> int:
        last_row = contacts.last_row
        left, is_all = 0, True
        if self._stop.requested.is_set():
            left, is_all = await run.count_the_rest()
        show_unwritten(run.unwritten, screen=self._screen)
        show_account(run.account, screen=self._screen, results=results)
        if left:
            self._screen.note(
                f"not dialled: {'' if is_all else 'at least '}{left} rows, from row "
                f"{last_row + 1} on; they have no line in the results"
            )
        code = self._exit_code(run)
        if run.trouble:
            self._screen.note(f"talkstack: {run.trouble}")
        self._screen.document(
            self._document(run, results, left=left if is_all else None, code=code)
        )
        return code

    def _exit_code(self, run: ListRun) -> int:
        if self._stop.interrupted:
            return ExitCode.INTERRUPTED
        return ExitCode.USAGE if run.trouble else run.account.exit_code

    @staticmethod
    def _document(
        run: ListRun, results: ResultsFile, *, left: int | None, code: int
    ) -> dict[str, Any]:
        return {
            **run.account.as_json(),
            "not_dialled": left,
            "unrecorded": [recognisable(line) for line in run.unwritten],
            "results": str(results.path),
            "error": run.trouble,
            "exit_code": int(code),
        }
