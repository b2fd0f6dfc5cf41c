"""Every column of bytes is known for what it is: sealed ones are found by rotations, the others hold nothing sealed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import ARRAY, Column, LargeBinary

from store.key_ring import KeyRing, NotSealedByUs
from store.sealed_columns import BlindIndex, SealedFor, SealedJson, SealedText
from store.tables import metadata

DIALECT: Any = None
NOT_SEALED = frozenset(
    {
        # Digests, signatures and what these are made of.
        *("api_answers.request_digest", "api_tokens.token_digest", "dial_codes.code_digest"),
        "dial_codes.holder_digest",
        *("rtb_keys.key_digest", "sale_keys.key_digest", "sign_in_challenges.token_digest"),
        *("user_links.token_digest", "users.recovery_digests", "web_sessions.token_digest"),
        *("ledger_evidence.salt", "ledger_evidence.digest", "ledger_evidence.caller_digest"),
        *(
            f"{table}.{name}"
            for table in ("audit_seals", "ledger_seals")
            for name in ("previous_root", "root", "salt", "public_key", "signature")
        ),
        *("market_parts.digest", "passkeys.credential_id", "passkeys.public_key"),
        *("sealing_ring.fingerprint", "sealing_ring.newest", "sealing_nodes.newest", "sealing_nodes.known"),
        # Documents.
        *("market_parts.document", "market_snapshots.document", "refused_lines.line"),
        # A passkey's challenge, or for a quarter of an hour a seed that is sealed: older keys are kept for longer.
        "sign_in_challenges.challenge",
    }
)


def test_a_column_of_bytes_is_sealed_an_index_or_known_to_hold_nothing_sealed() -> None:
    def is_bytes(column: Column[Any]) -> bool:
        return isinstance(
            column.type.item_type if isinstance(column.type, ARRAY) else column.type, LargeBinary
        )

    columns = [column for table in metadata.tables.values() for column in table.columns if is_bytes(column)]
    assert {f"{column.table.name}.{column.name}" for column in columns} == NOT_SEALED


@pytest.mark.parametrize(
    "bad", [KeyRing.made().seal_text("other", "x"), b"", b"\x01bare"], ids=["other", "empty", "bare"]
)
def test_of_what_does_not_open_only_a_column_that_says_what_it_is_then_is_read(bad: bytes) -> None:
    assert SealedText("x", absent="").process_result_value(bad, DIALECT) == ""
    assert SealedJson("x").process_result_value(bad, DIALECT) == {}
    with pytest.raises(NotSealedByUs):
        SealedText("x").process_result_value(bad, DIALECT)
    with pytest.raises(NotSealedByUs):
        SealedFor("x", bound_by="id").unseal(bad, 1)


def test_values_are_read_as_they_were_written() -> None:
    for column, value in (
        (SealedText("x"), "text"),
        (SealedText("x", absent=""), ""),
        (SealedJson("x"), {"a": [1]}),
    ):
        stored = column.process_bind_param(value, DIALECT)  # type: ignore[attr-defined]
        assert column.process_result_value(stored, DIALECT) == value  # type: ignore[attr-defined]
    assert SealedText("x").process_result_value(None, DIALECT) is None
    assert SealedText("x", absent="").process_result_value(None, DIALECT) == ""
    assert SealedJson("x").process_result_value(None, DIALECT) == {}
    moved = SealedFor("x", bound_by="id")
    with pytest.raises(NotSealedByUs):
        moved.unseal(moved.seal(b"plain", 1), 2)
    assert BlindIndex("x").process_bind_param("a", DIALECT) == BlindIndex("x").process_bind_param(
        "a", DIALECT
    )
