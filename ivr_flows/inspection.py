"""Questions about a whole flow, answered without running it: what it may say, and what is wrong with it.

An error blocks publishing: callers would be trapped, dropped or told nonsense. A warning does not.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from ivr_flows import answers
from ivr_flows.commands import NOT_RECORDED
from ivr_flows.conditions import CALL_FACTS
from ivr_flows.definition import Flow
from ivr_flows.events import UPLOAD
from ivr_flows.nodes.consent_notice import ConsentNoticeNode
from ivr_flows.nodes.do_not_call import NUMBER_WITHHELD
from ivr_flows.nodes.node import Node, Problem
from ivr_flows.nodes.return_ import ReturnNode
from ivr_flows.nodes.route import RouteNode
from ivr_flows.nodes.sub_flow import SubFlowNode
from ivr_flows.nodes.transfer import TransferNode
from ivr_flows.spoken_text import fixed_pieces, prompts_of, tags_in
from ivr_flows.ways import (
    asks,
    comes_back,
    ends_well,
    everywhere,
    met_from,
    reached_from,
    starts_of,
    stopping,
    sub_flow_at,
    union_of,
    with_inner,
)
from rules.dialling import DiallingRules, dialling_problem
from rules.known_facts import ALIASES

COMMANDS = ""
"""The place of what is said at every question: no node's."""


class Severity(StrEnum):
    """Whether a finding blocks publishing."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong with a node, and what to do."""

    severity: Severity
    code: str
    node: str
    text: str

    def __str__(self) -> str:
        where = f"node {self.node!r}: " if self.node else ""
        return f"{self.severity}: {where}{self.text}"


def texts_of(flow: Flow) -> frozenset[str]:
    """Return every text the flow may ever say, so that all are rendered before a caller needs one."""
    # The commands and the ways tags are read back are those of the flow itself, in its sub-flows too.
    values = (answers.spoken_texts(flow.spoken_as[tag]) for tag in _tags_spoken(flow) & set(flow.spoken_as))
    prompts = union_of(_prompts_at(flow)).union(*values)
    return frozenset(prompt for prompt in prompts if not prompt.startswith(UPLOAD))


def uploads_of(flow: Flow) -> frozenset[str]:
    """Return the names of the uploaded sounds the flow may play."""
    return _uploads_among(union_of(_prompts_at(flow)))


def _uploads_among(prompts: Iterable[str]) -> frozenset[str]:
    return frozenset(prompt.removeprefix(UPLOAD) for prompt in prompts if prompt.startswith(UPLOAD))


def _prompts_at(flow: Flow) -> dict[str, frozenset[str]]:
    """Return what may be said at each node, in its sub-flow too, and at every question; tags' values are not in it."""
    stop_calling = {*fixed_pieces(flow.commands.stop_calling_text), NUMBER_WITHHELD}
    always = {NOT_RECORDED, *stop_calling} if asks(flow) else ()
    return {**everywhere(flow, lambda node: node.texts()), COMMANDS: frozenset(always)}


def _tags_spoken(flow: Flow) -> frozenset[str]:
    said = union_of(everywhere(flow, lambda node: node.tags_spoken()))
    return said | tags_in(flow.commands.stop_calling_text)


def tags_known(flow: Flow) -> frozenset[str]:
    """Return the tags that the flow and its sub-flows set, or say they are given."""
    given = flow.given.union(*(tags_known(inner) for inner in flow.subflows.values()))
    return given | union_of(everywhere(flow, lambda node: node.tags_set()))


def refused_transfers(flow: Flow, rules: DiallingRules) -> list[Finding]:
    """Return an error for each transfer, in sub-flows too, to a number that is not rung."""
    found = [
        Finding(
            severity=Severity.ERROR, code="not_dialled", node=name, text=f"{problem}: name another number"
        )
        for name, node in flow.nodes.items()
        if isinstance(node, TransferNode) and (problem := dialling_problem(node.number, rules))
    ]
    for name, inner in flow.subflows.items():
        inside = refused_transfers(inner, rules)
        found += [replace(one, node="", text=f"in the flow {name!r}: {one.text}") for one in inside]
    return found


def unreachable_nodes(flow: Flow) -> list[Problem]:
    """Return a problem for every node that no way from the entry leads to."""
    seen = reached_from(flow, starts_of(flow))
    return [Problem(node=name, text="no way leads here") for name in flow.nodes if name not in seen]


def inspect(flow: Flow, uploads: Iterable[str] = ()) -> list[Finding]:
    """Return everything that is wrong with the flow, errors first. `uploads` are the sounds that are there."""
    looks: tuple[Callable[[Flow], Iterator[Finding]], ...] = (
        _dead_ends,
        _loops_without_wait,
        _unknown_tags,
        _misnamed_tags,
        _routes_without_notice,
        _operator_without_notice,
        _silent_notices,
        _missing_subflows,
        _nodes_no_way_leads_to,
    )
    found = [finding for look in looks for finding in look(flow)]
    found += _missing_uploads(flow, frozenset(uploads))
    return sorted(found, key=lambda finding: finding.severity is not Severity.ERROR)


def blocking(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that stand in the way of publishing."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]


def _nodes_no_way_leads_to(flow: Flow) -> Iterator[Finding]:
    ended = {
        to: node.flow
        for name, node in flow.nodes.items()
        if isinstance(node, SubFlowNode) and (inner := sub_flow_at(flow, name)) and not comes_back(inner)
        for to in node.exits.values()
    }
    for problem in unreachable_nodes(flow):
        text = (
            f"no way leads here, as the flow {ended[problem.node]!r} never comes back: give it a return, lead"
            " another exit here, or remove this"
            if problem.node in ended
            else "no way leads here: lead an exit to it, or remove it"
        )
        yield Finding(severity=Severity.WARNING, code="unreachable", node=problem.node, text=text)


def _dead_ends(flow: Flow) -> Iterator[Finding]:
    """A node is a dead end when no way from it comes to where a call may end well."""
    good = ends_well(flow)
    grown = True
    while grown:
        more = {n for n, node in flow.nodes.items() if n not in good and good & set(node.exits.values())}
        grown = bool(more)
        good |= more
    for name in flow.nodes:
        if name not in good:
            text = (
                "a dead end: no way from here comes to a route, a transfer, a return or a hang up:"
                " lead one of its exits there"
            )
            yield Finding(severity=Severity.ERROR, code="dead_end", node=name, text=text)


def _loops_without_wait(flow: Flow) -> Iterator[Finding]:
    waiting = stopping(flow, lambda node: node.WAITS)
    for name in flow.nodes:
        way = () if name in waiting else _way_back(flow, name, waiting)
        # Told once a loop, at its first node in the flow's own order.
        if way and name == min(way, key=list(flow.nodes).index):
            text = (
                f"a loop in which nobody waits ({' → '.join((*way, name))}): put a question, a hold or a"
                " voicemail into it, or lead it elsewhere"
            )
            yield Finding(severity=Severity.ERROR, code="loop", node=name, text=text)


def _way_back(flow: Flow, start: str, waiting: Container[str]) -> tuple[str, ...]:
    """Return the shortest way from a node to itself that passes none that is `waiting`, () when there is none."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    for way in ways:
        for to in flow.nodes[way[-1]].exits.values():
            if to == start:
                return way
            if to not in seen and to not in waiting:
                seen.add(to)
                ways.append((*way, to))
    return ()


def _unknown_tags(flow: Flow) -> Iterator[Finding]:
    known = union_of(everywhere(flow, lambda node: node.tags_set())) | set(CALL_FACTS)
    is_part = any(isinstance(node, ReturnNode) for node in flow.nodes.values())
    severity = Severity.WARNING if is_part else Severity.ERROR
    confirmed = tags_in(flow.commands.stop_calling_text) if asks(flow) else frozenset()
    asked = {**_tags_missed(flow, known), COMMANDS: confirmed - known - flow.given}
    for name, tags in asked.items():
        for tag in sorted(tags):
            text = (
                f"{_where(flow, name)}the tag {tag!r} is set nowhere: correct its name, ask for it, or list it"
                " under 'given' when it comes with the call"
            )
            yield Finding(severity=severity, code="unknown_tag", node=name, text=text)


def _misnamed_tags(flow: Flow) -> Iterator[Finding]:
    """What only another party calls so is a fact that no licence, filter or contract finds."""
    for name, node in flow.nodes.items():
        for tag in sorted(node.tags_set() & ALIASES.keys()):
            text = f"the tag {tag!r} is called {ALIASES[tag]!r} by everybody who reads it: name it so"
            yield Finding(severity=Severity.ERROR, code="misnamed_tag", node=name, text=text)


def _tags_missed(flow: Flow, known: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return the tags that are asked for and neither `known` nor given: node -> tags, those of its sub-flow too."""
    known |= flow.given
    inner = {name: union_of(_tags_missed(one, known)) for name, one in flow.subflows.items()}
    return with_inner(flow, lambda node: node.tags_read() - known, inner)


def _where(flow: Flow, place: str) -> str:
    """Return what a finding's sentence begins with when it is not about the node itself."""
    if place == COMMANDS:
        return "'commands.stop_calling.text': "
    node = flow.nodes[place]
    return f"in the flow {node.flow!r}: " if isinstance(node, SubFlowNode) else ""


def _routes_without_notice(flow: Flow) -> Iterator[Finding]:
    """A way round a notice is an error; a flow without any notice is never recorded, which may be meant."""
    has_notice = _has_notice(flow)
    severity = Severity.ERROR if has_notice else Severity.WARNING
    direct = met_from(flow, [flow.entry], _says_notice, _hands_over)
    for name in sorted(direct if has_notice else direct | _met_by_operator(flow)):
        inner = _hand_over_in(flow, name)
        text = (
            f"a way leads {f'to {inner}' if inner else 'here'} round the consent notice: lead it through the notice"
            if has_notice
            else f"no consent notice comes before {inner or 'this'}: put one at the entry, or the call is never"
            " recorded"
        )
        yield Finding(severity=severity, code="no_notice", node=name, text=text)


def _operator_without_notice(flow: Flow) -> Iterator[Finding]:
    """Callers who come to the operator before the notice are not recorded, which is right but seldom meant."""
    direct = met_from(flow, [flow.entry], _says_notice, _hands_over)
    for name in sorted(_met_by_operator(flow) - direct if _has_notice(flow) else ()):
        text = (
            "a caller who asks for a person before the consent notice, or gets lost there, comes to"
            f" {_hand_over_in(flow, name) or 'this'} without it and is not recorded: put the notice before the"
            " first question, or lead the operator to the notice"
        )
        yield Finding(severity=Severity.WARNING, code="operator_without_notice", node=name, text=text)


def _silent_notices(flow: Flow) -> Iterator[Finding]:
    for name, node in flow.nodes.items():
        if isinstance(node, ConsentNoticeNode) and not prompts_of(node.text, {}, lambda tag, value: ()):
            text = (
                f"without {', '.join(sorted(tags_in(node.text)))} this notice says nothing, and the call is not"
                " recorded: write a sentence that needs no tag"
            )
            yield Finding(severity=Severity.WARNING, code="silent_notice", node=name, text=text)


def _met_by_operator(flow: Flow) -> frozenset[str]:
    """Return the routes and transfers that a caller comes to by the operator, from where no notice was heard yet."""
    leaves = flow.operator and met_from(flow, [flow.entry], _says_notice, lambda node: node.WAITS)
    return met_from(flow, [flow.operator], _says_notice, _hands_over) if leaves else frozenset()


def _hand_over_in(flow: Flow, name: str) -> str:
    """Say where a sub-flow's node hands the call over; '' for a node that does it itself."""
    node = flow.nodes[name]
    return f"a route or a transfer of the flow {node.flow!r}" if isinstance(node, SubFlowNode) else ""


def _has_notice(flow: Flow) -> bool:
    return any(map(_says_notice, flow.nodes.values())) or any(map(_has_notice, flow.subflows.values()))


def _says_notice(node: Node) -> bool:
    return isinstance(node, ConsentNoticeNode)


def _hands_over(node: Node) -> bool:
    return isinstance(node, RouteNode | TransferNode)


def _missing_subflows(flow: Flow) -> Iterator[Finding]:
    for name, node in flow.nodes.items():
        if isinstance(node, SubFlowNode) and node.flow not in flow.subflows:
            text = f"the flow {node.flow!r} is not published: publish it first, or name another"
            yield Finding(severity=Severity.ERROR, code="missing_sub_flow", node=name, text=text)


def _missing_uploads(flow: Flow, there: frozenset[str]) -> Iterator[Finding]:
    for name, prompts in _prompts_at(flow).items():
        for upload in sorted(_uploads_among(prompts) - there):
            text = (
                f"{_where(flow, name)}the sound {upload!r} is not there: upload it, or write a text instead"
            )
            yield Finding(severity=Severity.ERROR, code="missing_prompt", node=name, text=text)
