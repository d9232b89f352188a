"""The program behind `startPythonWs`: prints its port, then echoes."""

import asyncio

import websockets


async def echo(websocket):
    async for message in websocket:
        await websocket.send(message)


async def main():
    server = await websockets.serve(echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1])
    await asyncio.Future()


asyncio.run(main())
