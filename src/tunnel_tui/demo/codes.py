"""The bastion's password and its time-based codes (RFC 6238), as an authenticator shows them."""

import base64
import hashlib
import hmac
import struct
import time

PASSWORD = "open sesame"
PERIOD = 30
"""Seconds for which a code is shown."""
DIGITS = 6


def code_at(secret: str, moment: float) -> str:
    """Compute the code of a base32 secret at a moment in epoch seconds."""
    key = base64.b32decode(secret)
    digest = hmac.new(key, struct.pack(">Q", int(moment // PERIOD)), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def accepts(secret: str, code: str, moment: float) -> bool:
    """Say whether a code is the one of now or of a neighbouring period."""
    return any(
        hmac.compare_digest(code_at(secret, moment + shift), code.strip())
        for shift in (-PERIOD, 0, PERIOD)
    )


def hint(secret: str, moment: float | None = None) -> str:
    """Tell a person what to type at the bastion now, in few enough words for 80 columns."""
    now = time.time() if moment is None else moment
    left = PERIOD - int(now % PERIOD)
    return f"type “{PASSWORD}”, then {code_at(secret, now)} ({left} s)"
