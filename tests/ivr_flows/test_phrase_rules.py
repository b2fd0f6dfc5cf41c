"""The little language in which grammars are written."""

from __future__ import annotations

import pytest

from ivr_flows.phrase_rules import (
    MAXIMUM_DEPTH,
    GraphBuilder,
    PhraseGraph,
    RuleError,
    every_text,
    parse_rule,
)


def graph_of(rule: str, **rules: str) -> PhraseGraph:
    builder = GraphBuilder({name: parse_rule(text) for name, text in rules.items()})
    builder.graph.start = builder.before(parse_rule(rule), builder.end("it"))
    return builder.graph


def said(graph: PhraseGraph, text: str) -> bool:
    return graph.values_at(graph.after(text)) == {"it"}


def test_words_ways_and_what_may_be_left_out() -> None:
    graph = graph_of("[um] (buy | purchase) a house")
    assert said(graph, " buy a house") and said(graph, " um purchase a house") and said(graph, " Buy A House")
    assert not said(graph, " buy house") and not said(graph, " buy a house now") and not said(graph, "")


def test_figures_stand_together_and_apart() -> None:
    graph = graph_of("$ =# =# | # #")
    assert said(graph, " $40") and said(graph, " 4 0")
    assert not said(graph, " $ 40") and not said(graph, " 40")


def test_a_rule_may_use_others() -> None:
    graph = graph_of("<tens> [<ones>]", tens="twenty | thirty", ones="one | two")
    assert said(graph, " thirty two") and said(graph, " twenty") and not said(graph, " two")
    assert every_text("<ones> please", {"ones": "one | two"}, 10) == (" one please", " two please")


def test_a_rule_used_twice_before_the_same_words_is_built_once() -> None:
    pair = graph_of(" ".join(["<many>"] * 5), many=" | ".join(f"w{number}" for number in range(50)))
    assert len(pair.arcs) < 5 * 60


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("(yes", "is not closed"),
        ("yes)", "closes nothing"),
        ("[yes)", "is not closed"),
        ("yes |", "is empty"),
        ("", "is empty"),
        ("yes < no", "cannot be read"),
        ("(" * (MAXIMUM_DEPTH + 2) + "a", "nested deeper"),
        ("a " * 20_000, "longer than"),
    ],
)
def test_a_broken_rule_is_refused_with_its_reason(rule: str, reason: str) -> None:
    with pytest.raises(RuleError, match=reason):
        parse_rule(rule)


def test_rules_that_never_end_or_are_not_there_are_refused() -> None:
    with pytest.raises(RuleError, match="<a> calls itself"):
        graph_of("<a>", a="x <b>", b="y <a>")
    with pytest.raises(RuleError, match="no rule <c>"):
        graph_of("<c>")


def test_a_grammar_that_would_grow_without_bound_is_refused() -> None:
    rules = {"r0": "a | b"} | {f"r{n}": f"<r{n - 1}> x | <r{n - 1}> y | <r{n - 1}> z" for n in range(1, 12)}
    with pytest.raises(RuleError, match="too big"):
        graph_of("<r11>", **rules)
