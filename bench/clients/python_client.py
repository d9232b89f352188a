"""websockets and aiohttp: python_client.py NAME MODE URL SIZE COUNT BURSTS."""

import asyncio
import json
import sys
import time

name, mode, url = sys.argv[1:4]
size, count, bursts = map(int, sys.argv[4:7])
texts = [json.dumps({"i": i}).ljust(size, "x") for i in range(64)]


def stopwatch():
    begun = time.perf_counter()
    before = time.process_time()

    def stop():
        return {
            "seconds": (time.perf_counter() - begun) / count,
            "processor": (time.process_time() - before) * 1e6 / count,
        }

    return stop


def highest_rss():
    with open("/proc/self/status") as status:
        lines = [line for line in status if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024


def report(**result):
    result["rss"] = highest_rss()
    print(json.dumps(result), flush=True)


async def run(send, receive):
    if mode == "echo":
        ms = []
        for i in range(count):
            begun = time.perf_counter()
            await send(texts[i & 63])
            await receive()
            ms.append((time.perf_counter() - begun) * 1000)
        return report(ms=ms)
    costs = []
    for _ in range(bursts):
        if mode == "receive":
            await send("more")
            await receive()
            stop = stopwatch()
            for _ in range(count - 1):
                await receive()
        else:
            stop = stopwatch()
            for i in range(count):
                await send(texts[i & 63])
            await receive()
        costs.append(stop())
    report(costs=costs)


async def with_websockets():
    from websockets.asyncio.client import connect

    options = {"compression": None, "ping_interval": None, "max_size": None}
    async with connect(url, **options) as socket:
        await run(socket.send, socket.recv)
        socket.transport.abort()


async def with_aiohttp():
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, max_msg_size=0) as socket:

            async def receive():
                return (await socket.receive()).data

            await run(socket.send_str, receive)
            socket._response.close()


asyncio.run({"websockets": with_websockets, "aiohttp": with_aiohttp}[name]())
