"""What the SDKs are made to say, and how their objects are looked at."""

import pydantic

KEY = "sk-test"
TIMEOUT = 30

SYSTEM = "Be brief."
QUESTION = "What is the weather in Oslo?"
IMAGE_URL = "https://example.com/cat.png"
# One transparent pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


class Weather(pydantic.BaseModel):
    """The form that structured output is asked to have."""

    city: str
    degrees: float


def turn(**fields):
    """A turn with whatever an SDK found."""
    return {
        "text": "",
        "reasoning": [],
        "opaque": [],
        "calls": [],
        "finish": None,
        "failure": None,
        "usage": None,
        "parsed": None,
        "problems": [],
        **fields,
    }


def plain(model):
    """A model as JSON, without what the server did not send."""
    if model is None:
        return None
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True, warnings=False)


def unknown(value, place=""):
    """Where in an SDK's object there are fields that its types do not have."""
    found = []
    if isinstance(value, pydantic.BaseModel):
        found += [f"unknown field {place}.{name}" for name in value.model_extra or {}]
        for name in type(value).model_fields:
            found += unknown(getattr(value, name, None), f"{place}.{name}")
    elif isinstance(value, dict):
        for name, inner in value.items():
            found += unknown(inner, f"{place}.{name}")
    elif isinstance(value, (list, tuple)):
        for at, inner in enumerate(value):
            found += unknown(inner, f"{place}[{at}]")
    return found


def differs(what, pieces, whole):
    """A problem if what came in pieces is not the whole."""
    return [] if pieces == whole else [f"{what}: in pieces {pieces!r}, whole {whole!r}"]
