"""LiteLLM as a peer in benches: makes streamed requests and prints what they cost.

    python litellm.py BASE_URL --requests N --concurrency C [--wire chat|responses] [--warmup W]

BASE_URL is an OpenAI-compatible endpoint with its /v1. W requests (usually 1) are made before the clock starts, so
the server needs N + W answers. Prints one line of JSON:

    {"peer", "version", "wire", "requests", "failed", "events", "characters",
     "wall_s", "cpu_s", "idle_rss_bytes", "peak_rss_bytes"}

`events` are the chunks that the library handed over, `characters` the text in them; both, like the times, of the N
requests alone. `cpu_s` is user and system time of this process. `idle_rss_bytes` is taken before the N requests.
Exits with 1 when a request failed.
"""

# This file bears the library's name, so its own directory must not come first.
import sys

sys.path.pop(0)

import argparse
import asyncio
import importlib.metadata
import json
import os
import resource
import time

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm


async def chat(base_url):
    """One streamed Chat Completions request."""
    stream = await litellm.acompletion(
        model="openai/bench",
        api_base=base_url,
        api_key="none",
        messages=[{"role": "user", "content": "go"}],
        stream=True,
        stream_options={"include_usage": True},
        max_retries=0,
    )
    events = characters = 0
    async for chunk in stream:
        events += 1
        for choice in chunk.choices:
            characters += len(choice.delta.content or "")
    return events, characters


async def responses(base_url):
    """One streamed Responses request."""
    stream = await litellm.aresponses(
        model="openai/bench", api_base=base_url, api_key="none", input="go", stream=True
    )
    events = characters = 0
    async for event in stream:
        events += 1
        if getattr(event, "type", None) == "response.output_text.delta":
            characters += len(event.delta)
    return events, characters


async def run(args):
    one = {"chat": chat, "responses": responses}[args.wire]
    for _ in range(args.warmup):
        await one(args.base_url)
    idle = resident()
    total = {"requests": 0, "failed": 0, "events": 0, "characters": 0}
    left = iter(range(args.requests))

    async def worker():
        for _ in left:
            total["requests"] += 1
            try:
                events, characters = await one(args.base_url)
            except Exception as error:
                total["failed"] += 1
                if total["failed"] == 1:
                    print(f"{type(error).__name__}: {error}", file=sys.stderr)
                continue
            total["events"] += events
            total["characters"] += characters

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(args.concurrency)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    report = {
        "peer": "litellm",
        "version": importlib.metadata.version("litellm"),
        "wire": args.wire,
        **total,
        "wall_s": wall,
        "cpu_s": cpu,
        "idle_rss_bytes": idle,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(report))
    return 1 if total["failed"] else 0


def resident():
    """Bytes of memory that this process has now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base_url")
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--wire", choices=["chat", "responses"], default="chat")
    parser.add_argument("--warmup", type=int, default=1)
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
