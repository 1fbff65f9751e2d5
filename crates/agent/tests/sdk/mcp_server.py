"""A server made with the official SDK of the Model Context Protocol, which judges our client.

Speaks on its standard streams; with `http` it serves a port of this machine and prints the address."""

import asyncio
import socket
import sys

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image

server = MCPServer("judge")
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415478da63f8ffff3f0005fe02"
    "fea7352b4e0000000049454e44ae426082"
)
cancelled = asyncio.Event()


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
async def steps(context: Context) -> str:
    """Tells how far it is."""
    for step in (1, 2):
        await context.report_progress(step, 2, f"step {step}")
    return "all steps"


@server.tool()
def picture() -> Image:
    """Shows a pixel."""
    return Image(data=PIXEL, format="png")


@server.tool()
def broken() -> str:
    """Fails."""
    raise ValueError("broken on purpose")


@server.tool()
async def hang(context: Context) -> str:
    """Does not end by itself."""
    await context.report_progress(0, 1, "hanging")
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        cancelled.set()
        raise
    return "never"


@server.tool()
async def was_cancelled() -> str:
    """Waits until a call was given up."""
    await asyncio.wait_for(cancelled.wait(), 30)
    return "yes"


def main() -> None:
    if sys.argv[1:] != ["http"]:
        server.run("stdio")
        return
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    config = uvicorn.Config(server.streamable_http_app(), log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


main()
