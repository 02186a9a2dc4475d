"""The language as a JSON schema, for editors that check YAML while it is typed: made from the classes that check a spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from factorgraph.registry import FAMILIES, leaves
from factorgraph.spec.blocks import Claim, DataBlock, Figure, Phase, Player, Use, Variable, Workers
from factorgraph.spec.choices import keys_of
from factorgraph.spec.language import NAME, SINGULAR, VERSION
from factorgraph.spec.parse import BLOCKS, FILE_KEYS
from factorgraph.spec.targets import KINDS

_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string", "description": "a constant expression over dims"}]}
_NAMES: dict[str, Any] = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
_SHORT = {"variables": "is", "functions": "type", "factors": "type", "inference": "method", "learning": "loss", "use": "file"}
_WEIGHT: dict[str, Any] = {
    "anyOf": [
        *_NUMBER["anyOf"],
        *(
            {"type": "object", "properties": {key: {**_NUMBER, "description": text}}, "required": [key]}
            for key, text in KINDS.items()
        ),
    ],
    "description": "the only multiplier (1): a number, or what it is tuned to",
}
_SAID = ("an expression", "a constant expression over dims")  # descriptions that say what is wanted
_PLAIN = {"string": "a text", "boolean": "true, false", "object": "a map"}
_ENDLESS = 1e12  # what is no bound for people
_TERM: dict[str, Any] = {"weight": _NUMBER, "only": _NAMES, "without": _NAMES}


def json_schema() -> dict[str, Any]:
    """The schema of a spec file, JSON Schema 2020-12."""
    properties: dict[str, Any] = {
        "factorgraph": {"const": VERSION, "description": "the version of the language"},
        "title": _TEXT,
        "source": {"type": "object", "properties": {"lecture": _TEXT, "paper": _TEXT}, "additionalProperties": False},
        "seed": {"type": "integer", "minimum": 0},
        "dims": {"type": "object", "additionalProperties": {"anyOf": [*_NUMBER["anyOf"], {"type": "array", "items": _NUMBER}]}},
        "indices": {"type": "object", "additionalProperties": _NUMBER},
        "variants": {"type": "object", "additionalProperties": {"type": "object"}},
        "budgets": {"type": "object", "additionalProperties": {"type": "object"}},
        "data": {"anyOf": [{"$ref": "#/$defs/data"}, _named({"$ref": "#/$defs/data"})]},
    }
    for block in BLOCKS:
        properties[block] = _named({"$ref": f"#/$defs/{block}"})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "factorgraph spec",
        "type": "object",
        "properties": {key: properties[key] for key in FILE_KEYS},
        "required": ["factorgraph"],
        "additionalProperties": False,
        "$defs": _definitions(),
    }


def _named(entry: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "propertyNames": {"pattern": f"^{NAME}$"}, "additionalProperties": entry}


def _definitions() -> dict[str, Any]:
    per = {"per": {"type": "string", "description": "an index: one for each slot"}}
    found: dict[str, Any] = {
        "variables": _short(schema_of(Variable)),
        "use": _short(schema_of(Use)),
        "learning": _short(_phase(Phase)),
        "player": _phase(Player),
        "workers": _short(schema_of(Workers)),
        "expect": schema_of(Claim),
        "figures": schema_of(Figure),
        "functions": _leaf_family("functions", more=per),
        "factors": _leaf_family("factors", more={"weight": _WEIGHT}),
        "inference": _leaf_family("methods", "method", per),
        "losses": _leaf_family("losses", more=_TERM),
        "data": _sources(),
    }
    for family in ("solvers", "optimizers", "schedules"):
        found[family] = _leaf_family(family)
    for family in ("steps", "augmentations"):
        by_name = [{"type": "object", "properties": {name: {}}, "required": [name]} for name in leaves(family)]
        found[family] = {"anyOf": [*_leaf_family(family)["anyOf"], *by_name]}
    one = {"$ref": "#/$defs/losses"}
    found["loss"] = {"anyOf": [one, {"type": "object", "additionalProperties": one}]}
    return found


def _short(schema: dict[str, Any]) -> dict[str, Any]:
    """A mapping, or its main key's value alone."""
    return {"anyOf": [{"type": ["string", "number"]}, schema]}


def schema_of(cls: type[BaseModel]) -> dict[str, Any]:
    """A class's own schema with references to the families in place of its choices."""
    schema: dict[str, Any] = _inlined(cls.model_json_schema(by_alias=True, schema_generator=_Generator), {})
    return schema


def _phase(cls: type[BaseModel]) -> dict[str, Any]:
    schema = schema_of(cls)
    schema["properties"]["loss"] = {"$ref": "#/$defs/loss"}
    if "players" in schema["properties"]:
        schema["properties"]["players"] = _named({"$ref": "#/$defs/player"})
        schema["properties"]["workers"] = {"$ref": "#/$defs/workers"}
    return schema


class _Generator(GenerateJsonSchema):
    """Defaults that are types by name need no encoding; what has no schema of its own takes anything."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        return {}


def _inlined(value: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema without pydantic's own definitions; lists may be written as one value, tuples as lists."""
    if isinstance(value, list):
        return [_inlined(each, definitions) for each in value]
    if not isinstance(value, Mapping):
        return value
    definitions = value.get("$defs", definitions)
    if "x-family" in value:
        return {**{key: each for key, each in value.items() if key != "x-family"}, "$ref": f"#/$defs/{value['x-family']}"}
    if str(value.get("$ref", "")).startswith("#/$defs/"):
        return _inlined(definitions[value["$ref"].rsplit("/", 1)[-1]], definitions)
    made = {key: _inlined(each, definitions) for key, each in value.items() if key not in ("$defs", "title")}
    if "properties" in value:
        made["properties"] = {key: _inlined(each, definitions) for key, each in value["properties"].items()}
    if made.get("type") == "array" and "items" in made and "prefixItems" not in made:
        return {"anyOf": [made, made["items"]], **({"description": made.pop("description")} if "description" in made else {})}
    return made


def _leaf_family(family: str, main: str = "type", more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    names = list(leaves(family)) if family in FAMILIES else []
    entries = [_leaf(family, name, main, more or {}) for name in names]
    return {"description": f"a {SINGULAR[family]}", "anyOf": [{"enum": names}, *entries]}


def _leaf(family: str, name: str, main: str, more: Mapping[str, Any]) -> dict[str, Any]:
    schema = schema_of(leaves(family)[name])
    fields = {key: each for key, each in schema.get("properties", {}).items() if key != "type"}
    return {
        "type": "object",
        "description": schema.get("description", "").split("\n")[0],
        "properties": {main: {"const": name}, **fields, **more},
        "required": [main, *(key for key in schema.get("required", []) if key != "type")],
        "additionalProperties": False,
    }


def _sources() -> dict[str, Any]:
    block = schema_of(DataBlock)
    common = {key: each for key, each in block["properties"].items() if key in keys_of(DataBlock) and key != "source"}
    family = _leaf_family("data", "source", common)
    for each in family["anyOf"][1:]:
        each["required"] = [*each["required"], "bind"]
    return family


def allowed(schema: Mapping[str, Any]) -> str:
    """What a schema lets stand there, in words."""
    return " or ".join(dict.fromkeys(_allowed(schema)))


def _allowed(schema: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        family = str(schema["$ref"]).rsplit("/", 1)[-1]
        yield ", ".join(leaves(family)) if family in FAMILIES else family
    elif "enum" in schema or "const" in schema:
        yield ", ".join(map(str, schema.get("enum", [schema.get("const")])))
    elif schema.get("description") in _SAID:
        yield str(schema["description"])
    elif "anyOf" in schema:
        several = list(schema["anyOf"])
        if several[0].get("type") == "array" and several[1:2] == [several[0].get("items")]:  # one may stand for a list of one
            yield from _allowed(several[1])
            yield "a list of such"
            several = several[2:]
        for each in several:
            yield from _allowed(each)
    elif "prefixItems" in schema:
        yield f"a list of {len(schema['prefixItems'])}: {allowed(schema['prefixItems'][0])}"
    elif schema.get("type") == "array":
        yield f"a list of: {allowed(schema.get('items', {})) or 'anything'}"
    elif schema.get("type") in ("integer", "number"):
        yield _number(schema)
    elif schema.get("type") in _PLAIN:
        yield _PLAIN[schema["type"]]


def _number(schema: Mapping[str, Any]) -> str:
    bounds = {"minimum": "of at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    said = [f"{word} {schema[key]:g}" for key, word in bounds.items() if abs(schema.get(key, _ENDLESS)) < _ENDLESS]
    return " ".join(["a whole number" if schema["type"] == "integer" else "a number", " and ".join(said)]).strip()
