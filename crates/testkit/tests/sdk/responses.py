"""OpenAI's SDK on the Responses API."""

import json

import openai

from common import IMAGE_URL, KEY, PARAMETERS, PNG, QUESTION, SYSTEM, TIMEOUT, Weather
from common import differs, plain, turn, unknown

TOOLS = [
    {"type": "function", "name": name, "description": name, "parameters": PARAMETERS, "strict": True}
    for name in ("get_weather", "get_time")
]

# The SDK's own accumulator knows the first of these alone.
LAST = ("response.completed", "response.incomplete", "response.failed")


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
        content = [{"type": "input_text", "text": QUESTION}]
        if task.get("images"):
            data = f"data:image/png;base64,{PNG}"
            content += [
                {"type": "input_image", "image_url": url, "detail": "auto"} for url in (data, IMAGE_URL)
            ]
        self.input = [{"type": "message", "role": "user", "content": content}]

    def arguments(self):
        asked = {"model": "gpt-5.2", "instructions": SYSTEM, "input": self.input, "store": False}
        if self.task.get("tools"):
            asked["tools"] = TOOLS
        if self.task.get("schema"):
            asked["text_format"] = Weather
        if self.task.get("thinking"):
            asked["reasoning"] = {"effort": "high", "summary": "auto"}
            asked["include"] = ["reasoning.encrypted_content"]
        return asked

    def ask(self):
        problems = []
        if self.task.get("stream"):
            pieces = {"text": "", "arguments": "", "reasoning": ""}
            response = None
            with self.client.responses.stream(**self.arguments()) as stream:
                for number, event in enumerate(stream):
                    problems += unknown(event, event.type)
                    if event.sequence_number != number:
                        problems.append(f"event {number} has number {event.sequence_number}")
                    if event.type == "response.output_text.delta":
                        pieces["text"] += event.delta
                    elif event.type == "response.function_call_arguments.delta":
                        pieces["arguments"] += event.delta
                    elif event.type == "response.reasoning_summary_text.delta":
                        pieces["reasoning"] += event.delta
                    elif event.type in LAST:
                        response = event.response
        else:
            pieces = None
            response = self.client.responses.parse(**self.arguments())
        if response is None:
            raise EOFError("the stream ended without its last event")
        problems += unknown(response, "response")
        self.input += response.output
        calls = [item for item in response.output if item.type == "function_call"]
        thoughts = [item for item in response.output if item.type == "reasoning"]
        reasoning = [section.text for item in thoughts for section in item.summary]
        if pieces is not None:
            problems += differs("text", pieces["text"], response.output_text)
            problems += differs("arguments", pieces["arguments"], "".join(c.arguments for c in calls))
            problems += differs("reasoning", pieces["reasoning"], "".join(reasoning))
        parsed = getattr(response, "output_parsed", None)
        incomplete = response.incomplete_details
        return turn(
            text=response.output_text,
            reasoning=reasoning,
            opaque=[item.encrypted_content for item in thoughts],
            calls=[
                {"id": c.call_id, "name": c.name, "arguments": json.loads(c.arguments)} for c in calls
            ],
            finish=incomplete.reason if incomplete else response.status,
            failure=response.error.message if response.error else None,
            usage=plain(response.usage),
            parsed=plain(parsed),
            problems=problems,
        )

    def answer(self, results):
        self.input += [
            {"type": "function_call_output", "call_id": call["id"], "output": text}
            for call, text in results
        ]
