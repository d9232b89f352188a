"""The program behind `findPythonWs`: prints its port, then does what a path says.

/ echoes, /close closes with 1011 and a reason, /drop ends the TCP connection,
/ping sends a text after the third answer to a ping; others are refused.
"""

import asyncio
import http

# The older of the two interfaces: versions 10 to 17 have it.
from websockets.legacy.server import serve


async def echo(websocket):
    async for message in websocket:
        await websocket.send(message)


async def close(websocket):
    await websocket.close(1011, "grüße")


async def drop(websocket):
    websocket.transport.abort()


async def ping(websocket):
    for _ in range(3):
        await (await websocket.ping())
    await websocket.send("answered")
    await websocket.wait_closed()


BEHAVIOURS = {"/": echo, "/close": close, "/drop": drop, "/ping": ping}


async def serve_path(websocket):
    await BEHAVIOURS[websocket.path](websocket)


async def refuse_unknown(path, _headers):
    if path not in BEHAVIOURS:
        return http.HTTPStatus.NOT_FOUND, [("x-why", "unknown")], b"no\n"


async def main():
    server = await serve(
        serve_path,
        "127.0.0.1",
        0,
        process_request=refuse_unknown,
        subprotocols=["chat"],
    )
    print(server.sockets[0].getsockname()[1])
    await asyncio.Future()


asyncio.run(main())
