"""Google's SDK on the Gemini API."""

import base64
import copy

from google import genai
from google.genai import _common, types

from common import IMAGE_URL, KEY, PARAMETERS, PNG, QUESTION, SYSTEM, TIMEOUT, Weather
from common import plain, turn

DECLARATIONS = [
    types.FunctionDeclaration(name=name, description=name, parameters_json_schema=PARAMETERS)
    for name in ("get_weather", "get_time")
]

# The SDK drops fields that it does not know before it validates; here they are noted.
dropped = []
remove_extra_fields = _common._remove_extra_fields


def note_and_remove(model, response):
    before = copy.deepcopy(response)
    remove_extra_fields(model, response)
    if before != response:
        dropped.append(f"{model.__name__} lost fields: it was {before}, it is {response}")


_common._remove_extra_fields = note_and_remove


class Wire:
    def __init__(self, task):
        self.task = task
        options = types.HttpOptions(
            base_url=task["base_url"], api_version="v1beta", timeout=TIMEOUT * 1000
        )
        self.client = genai.Client(api_key=KEY, http_options=options)
        parts = [types.Part(text=QUESTION)]
        if task.get("images"):
            parts += [
                types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png"),
                types.Part.from_uri(file_uri=IMAGE_URL, mime_type="image/png"),
            ]
        self.contents = [types.Content(role="user", parts=parts)]

    def config(self):
        asked = {
            "system_instruction": SYSTEM,
            "automatic_function_calling": {"disable": True},
            "max_output_tokens": 4096,
        }
        if self.task.get("tools"):
            asked["tools"] = [types.Tool(function_declarations=DECLARATIONS)]
        if self.task.get("schema"):
            asked["response_mime_type"] = "application/json"
            asked["response_schema"] = Weather
        if self.task.get("thinking"):
            asked["thinking_config"] = types.ThinkingConfig(
                include_thoughts=True, thinking_budget=2048
            )
        return types.GenerateContentConfig(**asked)

    def ask(self):
        dropped.clear()
        asked = {"model": "gemini-2.5-pro", "contents": self.contents, "config": self.config()}
        if self.task.get("stream"):
            answers = list(self.client.models.generate_content_stream(**asked))
        else:
            answers = [self.client.models.generate_content(**asked)]
        parts = [
            part
            for answer in answers
            if answer.candidates and answer.candidates[0].content
            for part in answer.candidates[0].content.parts or []
        ]
        problems = list(dropped)
        if len({answer.response_id for answer in answers}) != 1:
            problems.append("the chunks of one answer have several ids")
        # As the API's guide on signatures wants it: everything goes back as it came.
        self.contents.append(types.Content(role="model", parts=parts))
        last = answers[-1]
        calls = [part.function_call for part in parts if part.function_call]
        text = "".join(part.text for part in parts if part.text and not part.thought)
        reasoning = "".join(part.text for part in parts if part.text and part.thought)
        finish = last.candidates[0].finish_reason if last.candidates else None
        whole = isinstance(last.parsed, Weather) if len(answers) == 1 else False
        parsed = last.parsed if whole else None
        if self.task.get("schema") and len(answers) > 1:
            parsed = Weather.model_validate_json(text)
        return turn(
            text=text,
            reasoning=[reasoning] if reasoning else [],
            opaque=[
                base64.b64encode(part.thought_signature).decode()
                for part in parts
                if part.thought_signature
            ],
            calls=[{"id": call.id, "name": call.name, "arguments": call.args} for call in calls],
            finish=finish.value if finish else None,
            usage=plain(last.usage_metadata),
            parsed=plain(parsed),
            problems=problems,
        )

    def answer(self, results):
        parts = [
            types.Part(
                function_response=types.FunctionResponse(
                    id=call["id"], name=call["name"], response={"output": text}
                )
            )
            for call, text in results
        ]
        self.contents.append(types.Content(role="user", parts=parts))
