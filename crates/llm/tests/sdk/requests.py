"""Judges the bodies of requests by the types of the providers' official SDKs.

    python requests.py

Reads {"wire": "responses" | "chat" | "messages" | "gemini", "body": {…}} from standard input, one a line, and answers
each with one line {"problems": […]}. A key that the types do not have is a problem, at any depth; so is a value that
would have to be converted first.
"""

# This file bears the name of a library that the SDKs use, so its own directory must not come first.
import sys

sys.path.pop(0)

import functools
import json

import pydantic
import pydantic_core


def strict(schema):
    """A schema that forbids unknown keys, and looks into what may be iterated."""
    if isinstance(schema, list):
        return [strict(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: strict(inner) for name, inner in schema.items()}
    if schema.get("type") == "typed-dict" and "fields" in schema:
        schema["extra_behavior"] = "forbid"
    elif schema.get("type") == "generator":
        schema["type"] = "list"
    elif schema.get("type") == "model":
        # What the service answers may come back, and its types are lenient: only its fields count.
        ref = {"ref": schema["ref"]} if "ref" in schema else {}
        schema = {**schema["schema"], **ref}
        if schema.get("type") == "model-fields":
            schema["extra_behavior"] = "forbid"
    return schema


@functools.cache
def validators(wire):
    """Pairs of a type and its strict validator; a body must please one of them."""
    if wire == "gemini":
        return [gemini()]
    if wire == "responses":
        from openai.types.responses.response_create_params import ResponseCreateParams as params
    elif wire == "chat":
        from openai.types.chat.completion_create_params import CompletionCreateParams as params
    else:
        from anthropic.types.message_create_params import MessageCreateParams as params
    schema = strict(pydantic.TypeAdapter(params).core_schema)
    return [functools.partial(validate, pydantic_core.SchemaValidator(schema))]


def validate(validator, body):
    # JSON, because Python's own strictness knows no base64 and no enumerations by value.
    validator.validate_json(json.dumps(body), strict=True)


def gemini():
    """The body as the API's reference describes it: the SDK has its parts, not the whole."""
    from google.genai import types

    class Body(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid")

        contents: list[types.Content]
        systemInstruction: types.Content | None = None
        tools: list[types.Tool] | None = None
        toolConfig: types.ToolConfig | None = None
        safetySettings: list[types.SafetySetting] | None = None
        generationConfig: types.GenerationConfig | None = None
        cachedContent: str | None = None
        labels: dict[str, str] | None = None
        serviceTier: str | None = None
        store: bool | None = None

    def check(body):
        # The names of the wire alone: the types would take those of Python as well.
        Body.model_validate_json(json.dumps(body), by_alias=True, by_name=False)

    return check


def fill(wire, body):
    """The body with what the types demand and yet the services are known to do without."""
    body = json.loads(json.dumps(body))
    if wire == "responses" and isinstance(body.get("input"), list):
        for item in body["input"]:
            # The text of a model that another provider runs: there is no item of OpenAI's to name.
            if item.get("role") == "assistant" and "id" not in item:
                item |= {"id": "msg_0", "status": "completed"}
                for block in item["content"]:
                    block.setdefault("annotations", [])
    elif wire == "chat":
        # Extensions of those who imitate OpenAI; they get back only what they sent.
        for message in body.get("messages", []):
            for name in ("reasoning", "reasoning_content", "reasoning_details"):
                message.pop(name, None)
    elif wire == "messages":
        # Models up to 4.6 take them, and version 2 of the SDK knows them no more.
        for name in ("temperature", "top_p", "top_k"):
            body.pop(name, None)
    return body


def problems(wire, body):
    body = fill(wire, body)
    found = []
    for check in validators(wire):
        try:
            check(body)
            return []
        except pydantic.ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
    # Members of a union that another `type` or `role` belongs to.
    others = {
        problem["loc"][:-1]
        for problem in found
        if problem["type"] == "literal_error" and problem["loc"][-1] in ("type", "role", "stream")
    }
    near = [
        problem
        for problem in found
        if not any(problem["loc"][: len(other)] == other for other in others)
    ]
    said = [f"{place(problem['loc'], body)}: {problem['msg']}" for problem in near or found]
    return list(dict.fromkeys(said))[:12]


def place(loc, body):
    """The part of a place that is in the body, without the names of types."""
    steps = []
    for at, step in enumerate(loc):
        inside = isinstance(body, dict) and step in body
        if inside or (isinstance(body, list) and isinstance(step, int)):
            body = body[step]
            steps.append(str(step))
        elif at == len(loc) - 1:
            steps.append(str(step))
    return ".".join(steps)


def main():
    for line in sys.stdin:
        task = json.loads(line)
        print(json.dumps({"problems": problems(task["wire"], task["body"])}), flush=True)


if __name__ == "__main__":
    main()
