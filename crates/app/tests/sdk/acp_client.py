"""Drives an agent with the official SDK's client.

A line is {"command": [...], "env": {...}, "cwd": DIR, "prompt": TEXT}; the answer tells what the client saw.
"""

import asyncio
import json
import pathlib
import sys

import acp
from acp import schema


class Editor:
    """Has files, and allows everything once."""

    def __init__(self):
        self.text, self.permissions, self.statuses, self.written = "", [], {}, []

    def on_connect(self, conn):
        pass

    async def request_permission(self, session_id, tool_call, options, **_):
        self.permissions.append(tool_call.title)
        chosen = next(option for option in options if option.kind == "allow_once")
        outcome = schema.AllowedOutcome(outcome="selected", option_id=chosen.option_id)
        return schema.RequestPermissionResponse(outcome=outcome)

    async def session_update(self, session_id, update, **_):
        if update.session_update == "agent_message_chunk":
            self.text += update.content.text
        if update.session_update in ("tool_call", "tool_call_update") and update.status:
            self.statuses[update.tool_call_id] = update.status

    async def read_text_file(self, path, session_id, **_):
        try:
            return schema.ReadTextFileResponse(content=pathlib.Path(path).read_text())
        except OSError as error:
            raise acp.RequestError.resource_not_found(path) from error

    async def write_text_file(self, content, path, session_id, **_):
        pathlib.Path(path).write_text(content)
        self.written.append(path)
        return schema.WriteTextFileResponse()


async def work(task):
    editor = Editor()
    program, *args = task["command"]
    async with acp.spawn_agent_process(editor, program, *args, env=task["env"], cwd=task["cwd"]) as (agent, _):
        files = schema.FileSystemCapabilities(read_text_file=True, write_text_file=True)
        about = await agent.initialize(
            protocol_version=acp.PROTOCOL_VERSION, client_capabilities=schema.ClientCapabilities(fs=files)
        )
        session = await agent.new_session(cwd=task["cwd"], mcp_servers=[])
        prompt = [acp.text_block(task["prompt"])]
        answer = await agent.prompt(session_id=session.session_id, prompt=prompt)
        listed = await agent.list_sessions(cwd=task["cwd"])
    return {
        "version": about.protocol_version,
        "stop": answer.stop_reason,
        "text": editor.text,
        "permissions": editor.permissions,
        "statuses": list(editor.statuses.values()),
        "written": editor.written,
        "listed": [known.title for known in listed.sessions],
    }


for line in sys.stdin:
    print(json.dumps(asyncio.run(work(json.loads(line)))), flush=True)
