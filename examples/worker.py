"""A worker that fans out over an endless source, and finishes what has left when it is stopped.

Run it with `python examples/worker.py < numbers.txt`, with TALKSTACK_API_KEY and its companions
set. Ctrl-C stops dialling; replies to what has left are waited for.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator

from talkstack_async import CallRequest, Client, Placed


async def numbers() -> AsyncIterator[CallRequest]:
    """Read numbers as they come. In your service this is a queue or a database cursor."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield CallRequest(line.strip())


async def main() -> None:
    async with Client.from_env() as client:
        async with client.dispatcher(max_concurrency=100, calls_per_second=20) as dispatcher:
            dial = dispatcher.dial(numbers())
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, dial.stop)
            async for outcome in dial:
                print(type(outcome).__name__, outcome.request)
                if isinstance(outcome, Placed):
                    print("  ", outcome.result.call_id)
        print(dispatcher.progress)


asyncio.run(main())
