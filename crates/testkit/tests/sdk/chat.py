"""OpenAI's SDK on the Chat Completions API."""

import json

import openai

from common import IMAGE_URL, KEY, PARAMETERS, PNG, QUESTION, SYSTEM, TIMEOUT, Weather
from common import differs, plain, turn, unknown

TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "description": name, "parameters": PARAMETERS, "strict": True},
    }
    for name in ("get_weather", "get_time")
]


class Wire:
    def __init__(self, task):
        self.task = task
        self.client = openai.OpenAI(
            api_key=KEY,
            base_url=task["base_url"],
            timeout=TIMEOUT,
            max_retries=0,
            _strict_response_validation=True,
        )
        content = [{"type": "text", "text": QUESTION}]
        if task.get("images"):
            data = f"data:image/png;base64,{PNG}"
            content += [{"type": "image_url", "image_url": {"url": url}} for url in (data, IMAGE_URL)]
        self.messages = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": content},
        ]

    def arguments(self):
        asked = {"model": "gpt-5.2", "messages": self.messages}
        if self.task.get("tools"):
            asked["tools"] = TOOLS
        if self.task.get("schema"):
            asked["response_format"] = Weather
        return asked

    def ask(self):
        problems = []
        if self.task.get("stream"):
            pieces = ""
            options = {"include_usage": True}
            with self.client.chat.completions.stream(
                **self.arguments(), stream_options=options
            ) as stream:
                for event in stream:
                    if event.type == "chunk":
                        problems += unknown(event.chunk, "chunk")
                    elif event.type == "content.delta":
                        pieces += event.delta
                completion = stream.get_final_completion()
            problems += differs("text", pieces, completion.choices[0].message.content or "")
        else:
            completions = self.client.chat.completions
            # The one that parses raises for an answer that is cut short.
            ask = completions.parse if self.task.get("schema") else completions.create
            completion = ask(**self.arguments())
            problems += unknown(completion, "completion")
        choice = completion.choices[0]
        message = choice.message
        calls = message.tool_calls or []
        sent = {"role": "assistant", "content": message.content}
        if calls:
            sent["tool_calls"] = [
                {
                    "id": c.id,
                    "type": "function",
                    "function": {"name": c.function.name, "arguments": c.function.arguments},
                }
                for c in calls
            ]
        self.messages.append(sent)
        return turn(
            text=message.content or "",
            calls=[
                {
                    "id": c.id,
                    "name": c.function.name,
                    "arguments": json.loads(c.function.arguments),
                }
                for c in calls
            ],
            finish=choice.finish_reason,
            usage=plain(completion.usage),
            parsed=plain(getattr(message, "parsed", None)),
            problems=problems,
        )

    def answer(self, results):
        self.messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": text} for call, text in results
        ]
