from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkstack_async.emulator.quirks import Quirks
from talkstack_async.emulator.webhooks import StatusChange, WebhookQueue, WebhookScript

CHANCES = st.floats(0, 1)


def changes(*moments: float) -> list[StatusChange]:
    return [
        StatusChange(
            call_id="CA1", status=str(n), to="", from_="", timestamp="", project_id="p1", at=at
        )
        for n, at in enumerate(moments)
    ]


def test_what_is_due_comes_out_in_order_and_once() -> None:
    queue = WebhookQueue(WebhookScript())
    queue.announce(changes(0, 5, 9))
    assert queue.next_at() == 0
    assert [due.change.status for due in queue.take(now=5)] == ["0", "1"]
    assert queue.take(now=5) == []
    assert queue.next_at() == 9
    queue.begin(1)
    assert queue.next_at() is None


@given(
    duplicates=CHANCES,
    disorder=CHANCES,
    drops=CHANCES,
    moments=st.lists(st.integers(0, 9), max_size=6).map(sorted),
    seed=st.integers(0, 99),
)
def test_every_change_is_told_once_or_twice_or_dropped_and_never_too_early(
    duplicates: float, disorder: float, drops: float, moments: list[int], seed: int
) -> None:
    queue = WebhookQueue(WebhookScript(duplicates=duplicates, disorder=disorder, drops=drops))
    queue.begin(seed)
    queue.announce(changes(*moments))
    taken = queue.take(now=100)
    assert all(due.at >= due.change.at for due in taken)
    for n in range(len(moments)):
        mine = [due for due in taken if due.change.status == str(n)]
        assert len(mine) in (1, 2)
        assert len(mine) == 1 or not mine[0].is_dropped


def test_each_retry_waits_twice_as_long_and_the_last_one_is_the_last() -> None:
    queue = WebhookQueue(WebhookScript(retries=2, retry_after=10))
    queue.announce(changes(0))
    now, waits = 0.0, []
    while due := queue.take(now=now):
        queue.retry(due[0], now=now)
        waits.append(now)
        now = queue.next_at() or 1000
    assert waits == [0, 10, 30]


@pytest.mark.parametrize(
    "bad",
    [
        {"token_life": -1},
        {"refresh_token_life": float("nan")},
        {"refresh_token_key": "token"},
        {"history_shape": "round"},
    ],
)
def test_an_impossible_quirk_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        Quirks(**bad)  # type: ignore[arg-type]


def test_a_script_keeps_the_hosts_it_was_made_with() -> None:
    hosts = ["a.test"]
    script = WebhookScript(hosts=hosts)
    hosts.append("b.test")
    assert script.hosts == ("a.test",)
