"""The front door: SIP from an address that is nobody's gets no answer at all, and is counted.

Asterisk always answers: an unknown source is challenged (401), an ACL refuses (403), and both tell a scanner that a
switch lives here. So the kernel drops such packets before Asterisk sees them: a classic BPF program on Asterisk's own
UDP socket, put there by the process that started Asterisk (pidfd_getfd(2), same user, no root rights). The kernel
counts what it drops on that socket in /proc/net/udp.

Let in: everything from the addresses of trunks, registrars and targets; from elsewhere only answers and the
in-dialog BYE, ACK, UPDATE and PRACK, because a buyer behind several proxies may hang up from another address than the
one we called, and a BYE that is lost is money. A stray one of those belongs to no dialog and starts nothing.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from pathlib import Path

from asterisk_conf.node_config import Lines

MAXIMUM_NETWORKS = 1000
"""4 instructions each; the kernel takes 4096."""
_SO_ATTACH_FILTER = 26
_SYS_PIDFD_GETFD = 438
_LOAD_WORD, _AND, _JUMP_EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
_SOURCE_ADDRESS = 0xFFF00000 + 12
"""SKF_NET_OFF: the IPv4 header's source field."""
_SIP_STARTS_AT = 8
"""A UDP socket's filter sees the UDP header first."""
_LET_IN_FROM_ANYWHERE = (b"SIP/", b"BYE ", b"ACK ", b"UPDA", b"PRAC")
_ACCEPT, _DROP = 0xFFFFFFFF, 0


@dataclass(frozen=True, kw_only=True)
class DoorOpen:
    """The filter could not be put in place: strangers are challenged by Asterisk (401) instead of ignored."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class DoorClosed:
    """Only `networks` may start anything."""

    networks: tuple[IPv4Network, ...]


def door_program(networks: Iterable[IPv4Network]) -> bytes:
    """Compile the filter: struct sock_filter[] that lets in `networks` and the few methods named above."""
    code = [_instruction(_LOAD_WORD, _SOURCE_ADDRESS)]
    for network in networks:
        if network.prefixlen < 32:
            code += [_instruction(_LOAD_WORD, _SOURCE_ADDRESS), _instruction(_AND, int(network.netmask))]
        else:
            code += [_instruction(_LOAD_WORD, _SOURCE_ADDRESS)]
        code += [
            _instruction(_JUMP_EQUAL, int(network.network_address), 0, 1),
            _instruction(_RETURN, _ACCEPT),
        ]
    code.append(_instruction(_LOAD_WORD, _SIP_STARTS_AT))
    for start in _LET_IN_FROM_ANYWHERE:
        code += [_instruction(_JUMP_EQUAL, int.from_bytes(start), 0, 1), _instruction(_RETURN, _ACCEPT)]
    code.append(_instruction(_RETURN, _DROP))
    return b"".join(code)


def named_networks(lines: Lines) -> tuple[IPv4Network, ...]:
    """Return the networks that need no look-up: trunk addresses, and targets and registrars given as addresses."""
    return tuple(
        [network for trunk in lines.trunks for network in trunk.addresses]
        + [IPv4Network(host) for host in hosts(lines) if _is_address(host)]
    )


def hosts(lines: Lines) -> tuple[str, ...]:
    """Return the hosts of registrars and targets, each once."""
    registrars = [trunk.registrar.host for trunk in lines.trunks if trunk.registrar is not None]
    return tuple(dict.fromkeys([*registrars, *(target.contact.host for target in lines.targets)]))


async def allowed_networks(lines: Lines) -> tuple[IPv4Network, ...]:
    """Return every network the door lets in, host names looked up now. A name without an address is left out."""
    found = list(named_networks(lines))
    loop = asyncio.get_running_loop()
    for host in hosts(lines):
        if _is_address(host):
            continue
        try:
            answers = await asyncio.wait_for(loop.getaddrinfo(host, None, family=socket.AF_INET), 3)
        except (OSError, TimeoutError):
            continue
        found += [IPv4Network(str(answer[4][0])) for answer in answers]
    return tuple(collapse_addresses(found))


def close_door(pid: int, address: str, port: int, networks: Sequence[IPv4Network]) -> DoorClosed | DoorOpen:
    """Put the filter on the UDP socket `address:port` of process `pid`, in place of an earlier one."""
    if len(networks) > MAXIMUM_NETWORKS:
        return DoorOpen(
            reason=f"{len(networks)} networks are more than the filter holds ({MAXIMUM_NETWORKS})"
        )
    try:
        inode = _socket_inode(address, port)
        descriptor = None if inode is None else _descriptor_of(pid, inode)
        if descriptor is None:
            return DoorOpen(reason=f"process {pid} has no UDP socket on {address}:{port}")
        with _borrowed_socket(pid, descriptor) as borrowed:
            _attach(borrowed, door_program(networks))
    except OSError as fault:
        return DoorOpen(
            reason=f"the kernel does not let us ({fault.strerror}): allow pidfd_getfd, or use a firewall"
        )
    return DoorClosed(networks=tuple(networks))


def turned_away(address: str, port: int) -> int | None:
    """Return how many packets the kernel dropped on that UDP socket since it was opened; None without a socket.

    Packets dropped because Asterisk could not keep up are in the number too; with the filter they are rare.
    """
    row = _socket_row(address, port)
    return None if row is None else int(row[12])


def _instruction(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, when_true, when_false, value)


def _is_address(host: str) -> bool:
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True


def _socket_row(address: str, port: int) -> list[str] | None:
    local = f"{int.from_bytes(socket.inet_aton(address), 'little'):08X}:{port:04X}"
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        row = line.split()
        if row[1] == local:
            return row
    return None


def _socket_inode(address: str, port: int) -> int | None:
    row = _socket_row(address, port)
    return None if row is None else int(row[9])


def _descriptor_of(pid: int, inode: int) -> int | None:
    wanted = f"socket:[{inode}]"
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.readlink(entry) == wanted:
                return int(entry.name)
        except FileNotFoundError:
            continue
    return None


def _borrowed_socket(pid: int, descriptor: int) -> socket.socket:
    handle = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        copy = libc.syscall(_SYS_PIDFD_GETFD, handle, descriptor, 0)
        if copy < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(handle)
    return socket.socket(fileno=copy)


def _attach(borrowed: socket.socket, program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    borrowed.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)
