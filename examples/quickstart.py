"""Place one call, then a short list. Runs on the emulator: `python examples/quickstart.py`."""

import asyncio

from talkstack_async import CallRequest, Client, ClientConfig, NotPlaced, Placed, Uncertain
from talkstack_async.emulator import Emulator


async def main() -> None:
    async with Emulator() as service:
        config = ClientConfig(
            calls_url=service.calls_url,
            api_url=service.api_url,
            project_id=service.project_id,
            agent_id=service.agent_id,
        )
        async with Client(service.api_key, config=config) as client:
            result = await client.calls.make("+14155550101", dynamic_variables={"name": "Ada"})
            print("placed", result.call_id)

            requests = [CallRequest(f"+1415555{end:04d}") for end in (102, 103, 186, 187)]
            async with client.dispatcher(max_concurrency=2, calls_per_second=20) as dispatcher:
                async for outcome in dispatcher.dial(requests):
                    match outcome:
                        case Placed(request=request, result=placed):
                            print(request, "->", placed.call_id)
                        case NotPlaced(request=request, error=error):
                            print(request, "did not ring:", error)
                        case Uncertain(request=request, error=error):
                            print(request, "may have rung:", error)


asyncio.run(main())
