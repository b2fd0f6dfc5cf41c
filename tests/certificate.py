"""A certificate of a test's own, that nobody trusts unless told to."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_certificate(folder: Path, *names: str) -> Path:
    """Return a PEM file with a key and its certificate for `names`, such as "DNS:bids.example" or "IP:127.0.0.1"."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=tests", "-addext", f"subjectAltName={','.join(names)}", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    both = folder / "both.pem"
    both.write_text(key.read_text() + certificate.read_text())
    return both
