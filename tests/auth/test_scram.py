from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode

import pytest

from tcpchat.auth.scram import ITERATIONS, make_verifier


def test_the_exchange_of_rfc_7677_works_with_our_verifier() -> None:
    verifier = make_verifier(b"pencil", 4096, b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    kind, costs, keys = verifier.split("$")
    assert (kind, costs) == ("SCRAM-SHA-256", "4096:W22ZaJ0SNY7soEsUEjb6gQ==")
    stored, server = (b64decode(key) for key in keys.split(":"))
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    message = (f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}").encode()
    signature = hmac.digest(stored, message, "sha256")
    proof = b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    assert hashlib.sha256(bytes(a ^ b for a, b in zip(proof, signature, strict=True))).digest() == stored
    assert b64encode(hmac.digest(server, message, "sha256")) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_each_verifier_has_a_salt_of_its_own() -> None:
    assert make_verifier(b"pencil", 4096) != make_verifier(b"pencil", 4096)


def test_many_iterations_unless_told_otherwise() -> None:
    assert make_verifier(b"pencil").startswith(f"SCRAM-SHA-256${ITERATIONS}:")
    assert ITERATIONS >= 600_000


@pytest.mark.parametrize("iterations", [0, 4095, 10_000_001])
def test_a_number_of_iterations_beyond_the_bounds_is_refused(iterations: int) -> None:
    with pytest.raises(ValueError, match="iterations"):
        make_verifier(b"pencil", iterations)
