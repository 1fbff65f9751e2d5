"""Lets the providers' official SDKs talk to a server, and says what they saw.

    python judge.py

Reads one task a line from standard input and answers each with one line of JSON. A task:

    {"wire": "responses" | "chat" | "messages" | "gemini", "base_url": URL,
     "stream": bool, "tools": bool, "images": bool, "schema": bool, "thinking": bool}

All but the first two may be absent. The SDK asks, answers every call with "result of NAME" and asks again, until
there are no calls. The answer is {"turns": [TURN, …]}; a turn is what one request gave,

    {"text", "reasoning": [], "opaque": [], "calls": [{"id", "name", "arguments"}], "finish", "failure", "usage",
     "parsed", "problems": []}

or {"error": {"class", "status", "code", "message", "because", "retry_after"}}. `opaque` are signatures and encrypted
reasoning, `usage` is the SDK's own object, `problems` is whatever the SDK accepted and yet does not know, or what does
not add up. The SDKs validate strictly and never retry.
"""

import importlib
import json
import sys
import warnings

import pydantic

# Values that an SDK does not know are made up by it, with a warning.
warnings.simplefilter("error", UserWarning)

ROUNDS = 5


def play(task):
    wire = importlib.import_module(task["wire"]).Wire(task)
    turns = []
    for _ in range(ROUNDS):
        try:
            turn = wire.ask()
        except Exception as error:
            turns.append({"error": describe(error)})
            break
        turns.append(turn)
        if not turn["calls"]:
            break
        wire.answer([(call, f"result of {call['name']}") for call in turn["calls"]])
    return {"turns": turns}


def describe(error):
    """An exception as the SDK's user would tell it from others."""
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or {}
    fields = [getattr(error, name, None) for name in ("status_code", "status", "code", "type")]
    return {
        "class": type(error).__name__,
        "status": next((field for field in fields if isinstance(field, int)), None),
        "code": next((field for field in fields if isinstance(field, str)), None),
        "message": str(error),
        "because": because(error),
        "retry_after": headers.get("retry-after"),
    }


def because(error):
    """Why an SDK refused an answer. Of the members of a union only those that `type` allows are worth reading."""
    cause = error if isinstance(error, pydantic.ValidationError) else error.__cause__
    if not isinstance(cause, pydantic.ValidationError):
        return repr(cause) if cause else None
    branches = {}
    for problem in cause.errors(include_url=False):
        branches.setdefault(problem["loc"][:1], []).append(problem)

    def other(problem):
        return problem["type"] == "literal_error" and problem["loc"][-1] in ("type", "role")

    near = [found for found in branches.values() if not any(map(other, found))]
    return [
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        for found in near or branches.values()
        for problem in found
        if not other(problem)
    ][:20]


def main():
    for line in sys.stdin:
        print(json.dumps(play(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
