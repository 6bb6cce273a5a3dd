"""`--extra-fast` does what it says: or the runs with and without the extra would show nothing."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

import pytest

from talkstack_async.wire import quick_json


@pytest.fixture
def wanted(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--extra-fast"))


async def test_with_the_extra_tests_run_on_uvloop_and_without_on_asyncio(wanted: str) -> None:
    is_uvloop = type(asyncio.get_running_loop()).__module__.startswith("uvloop")
    assert is_uvloop == (wanted == "with")


def test_json_is_read_by_orjson_only_where_it_may(wanted: str) -> None:
    quick_json._orjson.cache_clear()
    expected = wanted == "with" or (wanted == "installed" and find_spec("orjson") is not None)
    assert (quick_json._orjson() is not None) == expected
