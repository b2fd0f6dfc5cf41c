"""Verbs on a live channel. Each re-arms the dialplan's watchdog with what it may take plus GRACE_SECONDS, so that
a frozen service is noticed and a long question is not cut (DESIGN 4).

Nothing a caller said or sent is ever part of a command: values are checked against SAFE_VALUE (FACTS 4).
"""

from __future__ import annotations

import re
import time
import wave
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from agi import channel_variables as var
from agi.fastagi import Connection, HungUp, Reply
from agi.speech.client import Question

GRACE_SECONDS = 3
MESSAGE_GRACE_SECONDS = 30
"""The beep, and what storing a voice message takes."""
TRANSFER_SECONDS_MAXIMUM = 3 * 3600.0
"""Longer than the dialplan lets a transfer last: it ends the call, not we."""
SAMPLES_PER_SECOND = 8000
SHORT_BY_SECONDS = 0.1
"""What may be missing of a sound that counts as heard to its end."""
COMMAND_SECONDS = 10.0
COMMAND_BYTES_MAXIMUM = 2_040
"""Asterisk reads a command into 2,048 bytes, its end included (res_agi.c, AGI_BUF_LEN): the rest is another to it."""
_MSET = 'EXEC MSet "{}"'
_SAFE_ARGUMENTS = re.compile(r"^[0-9A-Za-z_+,-]*$")
_END = re.compile(r"endpos=([0-9]{1,12})")
SAFE_VALUE = re.compile(r"^[0-9A-Za-z_+.:/=@-]*$")


class Channel:
    """The caller's channel during one AGI step."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answered = False

    @property
    def uniqueid(self) -> str:
        return self._connection.request.headers.get("agi_uniqueid", "")

    def given(self, name: str) -> str:
        """Return what the dialplan gave this step along with its address, '' when nothing."""
        return self._connection.request.query.get(name, "")

    async def set_variables(self, values: Mapping[str, str]) -> None:
        """Set channel variables, in order, in as few commands as hold them: each costs the caller and both processes.

        Raises ValueError for a value that the dialplan could read as anything but text.
        """
        for name, value in values.items():
            if not SAFE_VALUE.match(value):
                raise ValueError(f"unsafe value for {name}")
        for pairs in _in_commands(f"{name}={value}" for name, value in values.items()):
            await self._command(_MSET.format(pairs))

    async def ring(self) -> None:
        """Let the caller hear ringing until something else is heard."""
        await self._command("EXEC Ringing")

    async def stop_ringing(self) -> None:
        await self._command("EXEC StopPlaytones")

    async def answer(self) -> None:
        """Answer the caller once; later calls do nothing."""
        if not self._answered:
            await self._command("ANSWER")
            self._answered = True

    async def play(self, prompts: Sequence[Path]) -> bool:
        """Play sound files to their end; nothing the caller does but hanging up cuts them short.

        A file that cannot be played is skipped: the call goes on. Returns whether all were played whole.
        """
        await self.answer()
        whole = True
        for path in prompts:
            seconds = seconds_of(path)
            await self._arm(seconds)
            reply = await self._command(f'STREAM FILE "{_sound_name(path)}" ""', seconds=seconds)
            whole = whole and _was_whole(reply, seconds)
        return whole

    async def run_audiosocket(self, arguments: str, *, question: Question) -> None:
        """Hand the channel to the speech service until it is done with the question.

        By way of the dialplan's [ask], which re-arms the watchdog the moment the service is done: an answer comes
        long before `maximum_seconds`, and should we be frozen by then, the caller does not wait for the rest.
        """
        await self.answer()
        await self._arm(question.maximum_seconds)
        await self._command(f"GOSUB ask s 1 {arguments}", seconds=question.maximum_seconds)

    async def ask_keys(self, question: Question) -> str:
        """Ask by keys alone, as Asterisk itself can: returns the keys pressed, '' for silence.

        The key that ends them is among them only when it is the first.
        """
        await self.answer()
        digits = ""
        for path in question.prompts:
            digits = await self._interruptible(path)
            if digits:
                break
        digits = digits or await self._key(question.silence_seconds)
        if not digits or digits == question.keys_end or digits in question.instant_keys:
            return digits
        while len(digits) < question.keys_maximum:
            key = await self._key(question.key_gap_seconds)
            if key in ("", question.keys_end):
                break
            digits += key
        return digits

    # --- what flows do beside asking: sub-routines of the dialplan ---

    async def record(self, name: str) -> None:
        """Record the call from here on, under a name of our own, until it ends or `stop_recording`."""
        await self._arm(0)
        await self._gosub("record", name)

    async def stop_recording(self) -> None:
        await self._command("EXEC StopMixMonitor")

    async def hold(self, seconds: float, keys: str = "") -> str:
        """Let the caller hear the chime for so long; returns the key of `keys` that ended it, '' when none did."""
        await self.start_chime()
        left = seconds
        while left > 0:
            began = time.monotonic()
            key = await self._key(left)
            if key and key in keys:
                break
            key, left = "", left - (time.monotonic() - began) if key else 0
        await self.stop_chime()
        return key

    async def start_chime(self) -> None:
        """Let the caller hear that they wait. Whoever takes the call over when we are gone knows it is on."""
        await self.answer()
        await self.set_variables({var.HOLDING: "1"})
        await self._command("EXEC StartMusicOnHold default")

    async def stop_chime(self) -> None:
        await self._command("EXEC StopMusicOnHold")
        await self.set_variables({var.HOLDING: ""})

    async def take_message(self, maximum_seconds: float, silence_seconds: float) -> float:
        """Beep and record what the caller says; returns its length in seconds."""
        await self.answer()
        seconds = maximum_seconds + MESSAGE_GRACE_SECONDS
        await self._arm(seconds)
        await self._gosub("message", f"{maximum_seconds:.0f},{silence_seconds:.0f}", seconds=seconds)
        recorded_ms = await self.variable(var.RECORDED_MS)
        return int(recorded_ms) / 1000 if recorded_ms.isdigit() else 0.0

    async def transfer(self, number: str, ring_seconds: float, talk_seconds: int) -> str:
        """Ring a fixed number (E.164). Returns DIALSTATUS when nobody took the call; raises HungUp when it is over.

        Once somebody has answered nothing depends on us any more: the dialplan ends the call after it.
        """
        await self._arm(0)
        await self._gosub(
            "transfer", f"{number},{ring_seconds:.0f},{talk_seconds}", seconds=TRANSFER_SECONDS_MAXIMUM
        )
        return await self.variable("DIALSTATUS")

    async def variable(self, name: str) -> str:
        """Return a variable of the channel, '' when it is not set."""
        reply = await self._command(f"GET VARIABLE {name}")
        return reply.data[1:-1] if reply.result == "1" else ""

    async def hang_up(self) -> None:
        """Hang up the caller."""
        await self._command("HANGUP")

    async def arm(self, seconds: float = 0) -> None:
        """Re-arm the watchdog for work of our own that makes no sound and may take so long."""
        await self._arm(seconds)

    async def _interruptible(self, path: Path) -> str:
        await self._arm(seconds_of(path))
        reply = await self._command(
            f'STREAM FILE "{_sound_name(path)}" "0123456789*#"', seconds=seconds_of(path)
        )
        return _key_of(reply)

    async def _key(self, seconds: float) -> str:
        """Wait for one key; '' when none came."""
        await self._arm(seconds)
        reply = await self._command(f"WAIT FOR DIGIT {int(seconds * 1000)}", seconds=seconds)
        return _key_of(reply)

    async def _gosub(self, context: str, arguments: str, *, seconds: float = 0) -> None:
        if not _SAFE_ARGUMENTS.match(arguments):
            raise ValueError(f"unsafe arguments for {context}")
        await self._command(f"GOSUB {context} s 1 {arguments}", seconds=seconds)

    async def _arm(self, seconds: float) -> None:
        await self._command(f"SET VARIABLE TIMEOUT(absolute) {seconds + GRACE_SECONDS:.1f}")

    async def _command(self, line: str, *, seconds: float = 0) -> Reply:
        reply = await self._connection.command(line, timeout_seconds=seconds + COMMAND_SECONDS)
        if reply.result == "-1":
            await self._raise_if_gone()
        return reply

    async def _raise_if_gone(self) -> None:
        """-1 means hung up, or merely that one command failed (a missing sound): the status tells them apart."""
        status = await self._connection.command("CHANNEL STATUS", timeout_seconds=COMMAND_SECONDS)
        if status.result == "-1":
            raise HungUp("the caller hung up")


def seconds_of(path: Path) -> float:
    """Return the length of a WAV file, 0 when it cannot be read (the channel then skips it)."""
    try:
        with wave.open(str(path)) as sound:
            return float(sound.getnframes() / sound.getframerate())
    except (OSError, EOFError, wave.Error):
        return 0.0


def _in_commands(pairs: Iterable[str]) -> Iterator[str]:
    """Yield the pairs joined by commas, as many at a time as one MSet holds."""
    joined = ""
    for pair in pairs:
        if joined and len(_MSET.format(f"{joined},{pair}")) > COMMAND_BYTES_MAXIMUM:
            yield joined
            joined = ""
        joined = f"{joined},{pair}" if joined else pair
    yield joined


def _sound_name(path: Path) -> str:
    """Asterisk wants the name without its ending, and picks the format itself."""
    return str(path.absolute().with_suffix(""))


def _key_of(reply: Reply) -> str:
    return chr(int(reply.result)) if reply.result.isdigit() and int(reply.result) > 0 else ""


def _was_whole(reply: Reply, seconds: float) -> bool:
    """Asterisk tells how many samples it played; a sound that is missing has no seconds."""
    played = _END.search(reply.data)
    if reply.result != "0" or played is None or seconds == 0:
        return False
    return int(played[1]) / SAMPLES_PER_SECOND >= seconds - SHORT_BY_SECONDS
