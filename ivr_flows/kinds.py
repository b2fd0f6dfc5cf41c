"""Every node kind there is."""

from __future__ import annotations

from collections.abc import Mapping

from ivr_flows.nodes.answer import AnswerNode
from ivr_flows.nodes.area_code import AreaCodeNode
from ivr_flows.nodes.ask import AskNode
from ivr_flows.nodes.branch import BranchNode
from ivr_flows.nodes.call_back import CallBackNode
from ivr_flows.nodes.confirm import ConfirmNode
from ivr_flows.nodes.consent_notice import ConsentNoticeNode
from ivr_flows.nodes.digits import DigitsNode
from ivr_flows.nodes.do_not_call import DoNotCallNode
from ivr_flows.nodes.hang_up import HangUpNode
from ivr_flows.nodes.hold import HoldNode
from ivr_flows.nodes.hours import HoursNode
from ivr_flows.nodes.menu import MenuNode
from ivr_flows.nodes.node import Node
from ivr_flows.nodes.play import PlayNode
from ivr_flows.nodes.return_ import ReturnNode
from ivr_flows.nodes.route import RouteNode
from ivr_flows.nodes.say import SayNode
from ivr_flows.nodes.score import ScoreNode
from ivr_flows.nodes.set_tag import SetTagNode
from ivr_flows.nodes.split import SplitNode
from ivr_flows.nodes.sub_flow import SubFlowNode
from ivr_flows.nodes.transfer import TransferNode
from ivr_flows.nodes.voicemail import VoicemailNode
from ivr_flows.nodes.webhook import WebhookNode

NODE_KINDS: Mapping[str, type[Node]] = {
    "answer": AnswerNode,
    "play": PlayNode,
    "say": SayNode,
    "menu": MenuNode,
    "ask": AskNode,
    "digits": DigitsNode,
    "confirm": ConfirmNode,
    "set_tag": SetTagNode,
    "branch": BranchNode,
    "hours": HoursNode,
    "area_code": AreaCodeNode,
    "split": SplitNode,
    "consent_notice": ConsentNoticeNode,
    "do_not_call": DoNotCallNode,
    "score": ScoreNode,
    "route": RouteNode,
    "hold": HoldNode,
    "voicemail": VoicemailNode,
    "call_back": CallBackNode,
    "transfer": TransferNode,
    "webhook": WebhookNode,
    "sub_flow": SubFlowNode,
    "return": ReturnNode,
    "hang_up": HangUpNode,
}
"""To add one: its file in nodes/, its case files in tests/ivr_flows/cases/KIND/, and a line here."""
