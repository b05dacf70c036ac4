"""Certificates and their keys, out of PEM files (RFC 7468)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Stamp = tuple[object, ...]
"""What changes when files do."""

# A chain with its key has some 10 KiB; a file that is larger is something else.
_FILE_BYTES = 1024 * 1024
_KEY_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
# In a directory the certificate in this file is for those who name no server, or one that isn't there.
_DEFAULT_STEM = "DEFAULT"
# When a certificate should long have been renewed: programs do that a third of its life before its end. Some live for
# days only.
_SOON = timedelta(days=14)
_LAST_PART = 1 / 6


class BadCertificate(Exception):
    """A certificate or its key can't be used; the text is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key and its certificate with those that vouch for it. ``file`` is where the certificate is."""

    file: Path
    key: Key
    chain: tuple[x509.Certificate, ...]

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate itself."""
        return self.chain[0]

    @property
    def fingerprint(self) -> str:
        """Its SHA-256, in 64 hexadecimal digits."""
        return self.leaf.fingerprint(hashes.SHA256()).hex()

    @property
    def names(self) -> list[str]:
        """The DNS names that it is for, in lower case; ``*.`` in front stands for one label (RFC 6125)."""
        try:
            listed = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (x509.ExtensionNotFound, ValueError):
            return []
        return [name.lower() for name in listed.value.get_values_for_type(x509.DNSName)]

    def complaint(self, now: datetime) -> str | None:
        """Return what is wrong with its time, if anything."""
        if now > self.leaf.not_valid_after_utc:
            return f"the certificate {self.file} expired on {self.leaf.not_valid_after_utc:%Y-%m-%d}"
        if now < self.leaf.not_valid_before_utc:
            return (
                f"the certificate {self.file} is not valid before {self.leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            )
        return None

    def warning(self, now: datetime) -> str | None:
        """Return what is wrong with its time, or soon will be."""
        until = self.leaf.not_valid_after_utc
        soon = min(_SOON, (until - self.leaf.not_valid_before_utc) * _LAST_PART)
        if (complaint := self.complaint(now)) is not None or now + soon < until:
            return complaint
        return f"the certificate {self.file} expires on {until:%Y-%m-%d %H:%M} UTC: renew it"


class Source(Protocol):
    """Where certificates are kept. What it does may block."""

    def stamp(self) -> Stamp:
        """Return something that changes when the files do."""

    def read(self) -> list[Pair]:
        """Return what there is, at least one, and first the one for everybody else; raises `BadCertificate`."""


@dataclass(frozen=True, slots=True)
class PairFiles:
    """One certificate with its chain in a file, the key in another or in the same. ``more``: more of the chain."""

    certificate: Path
    key: Path
    more: Path | None = None

    def stamp(self) -> Stamp:
        """Return the files' times and sizes."""
        return _stamp(path for path in (self.certificate, self.key, self.more) if path is not None)

    def read(self) -> list[Pair]:
        """Return the one pair."""
        chain = _certificates(self.certificate)
        if not chain:
            raise BadCertificate(f"there is no certificate in {self.certificate}")
        keys = _keys(self.key)
        if not keys:
            raise BadCertificate(f"there is no private key in {self.key}")
        if self.more is not None:
            chain += _certificates(self.more)
        if not _match(keys[0], chain[0]):
            raise BadCertificate(f"the key {self.key} does not belong to the certificate {self.certificate}")
        return [Pair(self.certificate, keys[0], tuple(chain))]


@dataclass(frozen=True, slots=True)
class PemDirectory:
    """Every ``*.pem`` file of a directory, not of those in it: keys and certificates, together or apart.

    What a certificate is for is told by the DNS names in it. Of several for one name that which is valid longest
    counts. ``DEFAULT.pem``, else the first file by its name, is for whoever names no server, or one that isn't there.
    Files with certificates whose key isn't there are passed over.
    """

    path: Path

    def stamp(self) -> Stamp:
        """Return the names, times and sizes of the files."""
        return _stamp(self._files())

    def read(self) -> list[Pair]:
        """Return all the pairs."""
        if not self.path.is_dir():
            raise BadCertificate(f"{self.path} is not a directory")
        files = self._files()
        keys = [key for file in files for key in _keys(file)]
        pairs: dict[bytes, Pair] = {}
        for file in files:
            chain = _certificates(file)
            key = next((key for key in keys if chain and _match(key, chain[0])), None)
            if key is not None:
                pair = Pair(file, key, tuple(chain))
                # The same certificate may be there alone and with its chain.
                known = pairs.setdefault(pair.leaf.fingerprint(hashes.SHA256()), pair)
                if len(known.chain) < len(chain):
                    pairs[pair.leaf.fingerprint(hashes.SHA256())] = pair
        if not pairs:
            raise BadCertificate(f"no *.pem file in {self.path} holds a certificate with its key")
        return sorted(pairs.values(), key=lambda pair: (pair.file.stem != _DEFAULT_STEM, pair.file.name))

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self.path.iterdir() if path.suffix == ".pem")
        except OSError:
            return []


def _stamp(files: Iterable[Path]) -> Stamp:
    stamps: list[object] = []
    for file in files:
        try:
            found = file.stat()
            stamps.append((str(file), found.st_mtime_ns, found.st_size, found.st_ino))
        except OSError as error:
            stamps.append((str(file), error.errno))
    return tuple(stamps)


def _bytes_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(_FILE_BYTES + 1)
    except OSError as error:
        raise BadCertificate(f"can't read {file}: {error.strerror or error}") from None
    if len(content) > _FILE_BYTES:
        raise BadCertificate(f"{file} is too large for a certificate")
    return content


def _certificates(file: Path) -> list[x509.Certificate]:
    content = _bytes_of(file)
    if b"-----BEGIN CERTIFICATE-----" not in content:
        return []
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise BadCertificate(f"the certificate in {file} can't be read") from None


def _keys(file: Path) -> list[Key]:
    keys: list[Key] = []
    for block in _KEY_BLOCK.finditer(_bytes_of(file)):
        try:
            key = load_pem_private_key(block[0], None)
        except TypeError:
            raise BadCertificate(f"the key in {file} is encrypted: nobody is there to type its password") from None
        except (ValueError, UnsupportedAlgorithm):
            raise BadCertificate(f"the key in {file} can't be read") from None
        if not isinstance(key, Key):
            raise BadCertificate(f"the key in {file} is of a kind that few clients know: take ECDSA or RSA")
        keys.append(key)
    return keys


def _match(key: Key, certificate: x509.Certificate) -> bool:
    try:
        return _public(key.public_key()) == _public(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):  # of a kind that we don't know, so of another key
        return False


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
