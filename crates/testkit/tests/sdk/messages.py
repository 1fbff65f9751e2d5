"""Anthropic's SDK on the Messages API."""

import anthropic

from common import IMAGE_URL, KEY, PARAMETERS, PNG, QUESTION, SYSTEM, TIMEOUT, Weather
from common import differs, plain, turn, unknown

TOOLS = [
    {"name": name, "description": name, "input_schema": PARAMETERS}
    for name in ("get_weather", "get_time")
]


class Wire:
    def __init__(self, task):
        self.task = task
        self.client = anthropic.Anthropic(
            api_key=KEY,
            base_url=task["base_url"],
            timeout=TIMEOUT,
            max_retries=0,
            _strict_response_validation=True,
        )
        content = [{"type": "text", "text": QUESTION}]
        if task.get("images"):
            data = {"type": "base64", "media_type": "image/png", "data": PNG}
            url = {"type": "url", "url": IMAGE_URL}
            content += [{"type": "image", "source": source} for source in (data, url)]
        self.messages = [{"role": "user", "content": content}]

    def arguments(self):
        asked = {
            "model": "claude-haiku-4-5",
            "max_tokens": 4096,
            "system": SYSTEM,
            "messages": self.messages,
        }
        if self.task.get("tools"):
            asked["tools"] = TOOLS
        if self.task.get("schema"):
            asked["output_format"] = Weather
        if self.task.get("thinking"):
            asked["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        return asked

    def ask(self):
        problems = []
        if self.task.get("stream"):
            pieces = {"text": "", "thinking": ""}
            with self.client.messages.stream(**self.arguments()) as stream:
                for event in stream:
                    problems += unknown(event, event.type)
                    if event.type == "text":
                        pieces["text"] += event.text
                    elif event.type == "thinking":
                        pieces["thinking"] += event.thinking
                message = stream.get_final_message()
        else:
            pieces = None
            message = self.client.messages.parse(**self.arguments())
        problems += unknown(message, "message")
        self.messages.append({"role": "assistant", "content": message.content})
        text = "".join(block.text for block in message.content if block.type == "text")
        thoughts = [block for block in message.content if block.type == "thinking"]
        redacted = [block for block in message.content if block.type == "redacted_thinking"]
        reasoning = [block.thinking for block in thoughts]
        if pieces is not None:
            problems += differs("text", pieces["text"], text)
            problems += differs("thinking", pieces["thinking"], "".join(reasoning))
        return turn(
            text=text,
            reasoning=reasoning,
            opaque=[block.signature for block in thoughts] + [block.data for block in redacted],
            calls=[
                {"id": block.id, "name": block.name, "arguments": block.input}
                for block in message.content
                if block.type == "tool_use"
            ],
            finish=message.stop_reason,
            usage=plain(message.usage),
            parsed=plain(message.parsed_output),
            problems=problems,
        )

    def answer(self, results):
        blocks = [
            {"type": "tool_result", "tool_use_id": call["id"], "content": text}
            for call, text in results
        ]
        self.messages.append({"role": "user", "content": blocks})
