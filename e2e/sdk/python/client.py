"""Follows a channel by the official Python client, and says on stdout, one JSON object a line, what it sees.

Arguments: the WebSocket address, json or protobuf, a connection token, a channel. The publication {"end": true} makes
it read the channel's history and end.
"""

import asyncio
import json
import sys

from centrifuge import Client, DeltaType, SubscriptionEventHandler

URL, ENCODING, TOKEN, CHANNEL = sys.argv[1:]


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def decoded(data):
    return json.loads(data) if isinstance(data, (bytes, bytearray)) else data


async def main():
    end = asyncio.Event()

    class Events(SubscriptionEventHandler):
        async def on_subscribed(self, ctx):
            say("subscribed", recovered=ctx.recovered)

        async def on_publication(self, ctx):
            data = decoded(ctx.pub.data)
            say("publication", data=data, offset=ctx.pub.offset)
            if data.get("end"):
                end.set()

    client = Client(
        URL,
        token=TOKEN,
        use_protobuf=ENCODING == "protobuf",
        min_reconnect_delay=0.01,
        max_reconnect_delay=0.05,
        proxy=None,
    )
    subscription = client.new_subscription(CHANNEL, events=Events(), delta=DeltaType.FOSSIL)
    await client.connect()
    await subscription.subscribe()
    await end.wait()
    history = await subscription.history(limit=100)
    say("history", offset=history.offset, data=[decoded(item.data) for item in history.publications])
    await client.disconnect()


asyncio.run(main())
