"""The published JSON Schema of a flow, made of the node kinds' own fields: what is checked is what is shown."""

from __future__ import annotations

from typing import Any

from ivr_flows.commands import COMMANDS_FIELD
from ivr_flows.definition import FORMAT_VERSION, GIVEN_MAXIMUM, NAME_MAXIMUM, NODES_MAXIMUM
from ivr_flows.kinds import NODE_KINDS
from ivr_flows.nodes.fields import TAG, object_schema
from ivr_flows.nodes.node import Node

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def flow_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a flow's definition."""
    return {
        "$schema": DIALECT,
        "title": "Tollbridge flow",
        "description": "Nodes with a kind, settings and named exits, and one entry.",
        "type": "object",
        "required": ["entry", "nodes"],
        "additionalProperties": False,
        "properties": {
            "format": {"type": "integer", "minimum": 1, "maximum": FORMAT_VERSION, "default": 1},
            "name": {"type": "string", "maxLength": NAME_MAXIMUM},
            "entry": {"type": "string", "description": "The name of the node every call begins at."},
            "commands": COMMANDS_FIELD.schema(),
            "given": {
                "type": "array",
                "description": "Tags that come with the call.",
                "items": {"type": "string", "pattern": f"^{TAG.pattern}$"},
                "maxItems": GIVEN_MAXIMUM,
            },
            "layout": {"type": "object", "description": "Where the editor shows each node; means nothing."},
            "subflows": {
                "type": "object",
                "description": "Filled in by publishing.",
                "additionalProperties": {
                    "type": "object",
                    "required": ["version", "definition"],
                    "properties": {"version": {"type": "integer"}, "definition": {"$ref": "#"}},
                },
            },
            "nodes": {
                "type": "object",
                "maxProperties": NODES_MAXIMUM,
                "propertyNames": {"minLength": 1, "maxLength": NAME_MAXIMUM},
                "additionalProperties": {
                    "oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in NODE_KINDS],
                },
            },
        },
        "$defs": {kind: node_schema(kind) for kind in NODE_KINDS},
    }


def node_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of one kind: what the editor makes its form of. Raises KeyError."""
    node = NODE_KINDS[kind]
    schema = object_schema(node.FIELDS)
    properties = {"kind": {"const": kind}, **schema["properties"]}
    required = ["kind", *schema["required"]]
    if node.has_exits():
        properties["exits"] = _exits_schema(node)
        required.append("exits")
    return {
        "title": node.TITLE,
        "description": node.HELP,
        **schema,
        "properties": properties,
        "required": required,
    }


def _exits_schema(node: type[Node]) -> dict[str, Any]:
    to = {"type": "string", "description": "The name of the node it leads to."}
    named = dict.fromkeys((*node.EXITS, *node.OPTIONAL_EXITS), to)
    shown: dict[str, Any] = {"type": "object", "properties": named, "required": list(node.EXITS)}
    if node.OWN_EXITS:
        # One more exit for each entry of that setting.
        return {**shown, "additionalProperties": to, "x-exits-of": node.OWN_EXITS}
    return {**shown, "additionalProperties": False}
