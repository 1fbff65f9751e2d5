"""Judges frames of the Agent Client Protocol by the official SDK's own types.

A line is {"kind": METHOD, "body": PARAMS OR RESULT}; the answer is {"problem": null or text}. The SDK reads
over what it does not know and what is optional and wrong, so what it read is compared with what was sent.
"""

import json
import sys

from acp import schema

TYPES = {
    "initialize": schema.InitializeResponse,
    "authenticate": schema.AuthenticateResponse,
    "session/new": schema.NewSessionResponse,
    "session/load": schema.LoadSessionResponse,
    "session/resume": schema.ResumeSessionResponse,
    "session/list": schema.ListSessionsResponse,
    "session/close": schema.CloseSessionResponse,
    "session/delete": schema.DeleteSessionResponse,
    "session/prompt": schema.PromptResponse,
    "session/set_mode": schema.SetSessionModeResponse,
    "session/set_config_option": schema.SetSessionConfigOptionResponse,
    "session/update": schema.SessionNotification,
    "session/request_permission": schema.RequestPermissionRequest,
    "fs/read_text_file": schema.ReadTextFileRequest,
    "fs/write_text_file": schema.WriteTextFileRequest,
}


# Members of the published schema that this version of the SDK does not have yet.
NEWER = {("session/update.update", "name"), ("session/request_permission.toolCall", "name")}


def missing(sent, read, place):
    """Where something that was sent is not in what was read."""
    if isinstance(sent, dict) and isinstance(read, dict):
        for name, value in sent.items():
            if (place, name) in NEWER:
                continue
            if name not in read:
                return f"{place}.{name} is unknown or wrong"
            if found := missing(value, read[name], f"{place}.{name}"):
                return found
        return None
    if isinstance(sent, list) and isinstance(read, list):
        if len(sent) != len(read):
            return f"{place} has entries that are wrong"
        found = (missing(one, other, f"{place}[{at}]") for at, (one, other) in enumerate(zip(sent, read)))
        return next(filter(None, found), None)
    return None if sent == read else f"{place} was read as {read!r}"


def judge(kind, body):
    if kind not in TYPES:
        return f"no type for {kind}"
    try:
        read = TYPES[kind].model_validate(body)
    except ValueError as error:
        return str(error)
    return missing(body, read.model_dump(mode="json", by_alias=True, exclude_unset=True), kind)


for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({"problem": judge(asked["kind"], asked["body"])}), flush=True)
