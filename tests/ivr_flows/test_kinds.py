"""The list of node kinds is whole: what lies in nodes/ and is a kind stands in it."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

from ivr_flows import nodes
from ivr_flows.kinds import NODE_KINDS
from ivr_flows.nodes.node import Node


def test_no_file_that_defines_a_kind_is_left_out() -> None:
    defined = {
        found
        for file in pkgutil.iter_modules(nodes.__path__, f"{nodes.__name__}.")
        for _, found in inspect.getmembers(import_module(file.name), inspect.isclass)
        if issubclass(found, Node) and not inspect.isabstract(found)
    }
    assert defined == set(NODE_KINDS.values())


def test_a_kind_is_called_as_its_file() -> None:
    for kind, node in NODE_KINDS.items():
        assert node.__module__.removeprefix(f"{nodes.__name__}.").removesuffix("_") == kind
