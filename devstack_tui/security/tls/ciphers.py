"""The ciphers that no server should accept, by family, and those that any should.

Code points are IANA's (https://www.iana.org/assignments/tls-parameters). No code is in two
families: each check asks for something of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from devstack_tui.contracts.audit import Severity

STRONG = (0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9, 0x009E, 0x009F)
"""ECDHE and DHE with AES-GCM or ChaCha20, for TLS 1.2."""
TLS13 = (0x1301, 0x1302, 0x1303)
ANY_CBC = (0xC009, 0xC00A, 0xC013, 0xC014, 0x0033, 0x0039, 0x002F, 0x0035, 0xC008, 0xC012, 0x0016,
           0x000A, 0x0005, 0x0004)  # fmt: skip
"""What servers of SSL 3.0 to TLS 1.1 have had: a refusal is then of the version."""


@dataclass(frozen=True, slots=True)
class Family:
    """Weak ciphers of one kind: `why` completes "It …"."""

    name: str
    title: str
    codes: tuple[int, ...]
    severity: Severity
    why: str


WEAK = (
    Family(
        "null",
        "no encryption (NULL)",
        (0x0002, 0x003B, 0xC001, 0xC006, 0xC00B, 0xC010),
        Severity.CRITICAL,
        "authenticates but does not encrypt: passwords cross the wire in clear",
    ),
    Family(
        "anonymous",
        "no authentication (ADH, AECDH)",
        (
            0x0034,
            0x003A,
            0x006C,
            0x006D,
            0x00A6,
            0x00A7,
            0xC016,
            0xC017,
            0xC018,
            0xC019,
            0x0018,
            0x001A,
            0x001B,
            0xC015,
            0x0046,
            0x0089,
            0x009B,
            0x00BF,
            0x00C5,
        ),
        Severity.CRITICAL,
        "needs no certificate: anybody in the middle can be the server",
    ),
    Family(
        "export",
        "export grade (40 and 56 bits)",
        (0x0003, 0x0006, 0x0008, 0x000B, 0x000E, 0x0011, 0x0014, 0x0017, 0x0019, 0x0062, 0x0064),
        Severity.CRITICAL,
        "was made to be broken (FREAK, Logjam): hours on one machine",
    ),
    Family(
        "rc4",
        "RC4",
        (0x0005, 0x008A, 0xC002, 0xC007, 0xC00C, 0xC011),
        Severity.HIGH,
        "leaks what repeats, such as passwords (RFC 7465 forbids it)",
    ),
    Family(
        "md5",
        "MD5 as the MAC",
        (0x0001, 0x0004, 0x0024),
        Severity.HIGH,
        "protects the data by MD5, for which collisions take seconds",
    ),
    Family(
        "des",
        "single DES",
        (0x0009, 0x000C, 0x000F, 0x0012, 0x0015),
        Severity.HIGH,
        "has 56-bit keys: a day of a rented machine",
    ),
    Family(
        "3des",
        "triple DES",
        (0x000A, 0x000D, 0x0010, 0x0013, 0x0016, 0x008B, 0xC003, 0xC008, 0xC00D, 0xC012),
        Severity.MEDIUM,
        "has 64-bit blocks: long connections repeat them (Sweet32)",
    ),
    Family(
        "idea",
        "IDEA",
        (0x0007,),
        Severity.MEDIUM,
        "has 64-bit blocks, and RFC 5469 withdrew it",
    ),
    Family(
        "seed",
        "SEED",
        (0x0096, 0x0097, 0x0098, 0x0099, 0x009A),
        Severity.LOW,
        "is a cipher that nobody maintains any more, in CBC mode with SHA-1",
    ),
    Family(
        "static_rsa_cbc_sha1",
        "static RSA with CBC and SHA-1",
        (0x002F, 0x0035),
        Severity.MEDIUM,
        "has no forward secrecy, and padding that can be asked about (Lucky 13, POODLE)",
    ),
    Family(
        "static_rsa",
        "static RSA key exchange",
        (0x003C, 0x003D, 0x009C, 0x009D, 0xC09C, 0xC09D, 0xC0A0, 0xC0A1),
        Severity.MEDIUM,
        "has no forward secrecy: who gets the key later reads what was recorded (ROBOT)",
    ),
    Family(
        "static_rsa_camellia",
        "static RSA with Camellia in CBC mode",
        (0x0041, 0x0084, 0x00BA, 0x00C0),
        Severity.LOW,
        "has no forward secrecy, in a cipher that is hardly tested",
    ),
    Family(
        "static_rsa_aria",
        "static RSA with ARIA",
        (0xC03C, 0xC03D, 0xC050, 0xC051),
        Severity.LOW,
        "has no forward secrecy, in a cipher that is hardly tested",
    ),
    Family(
        "static_ecdh",
        "static ECDH",
        (
            0xC004,
            0xC005,
            0xC00E,
            0xC00F,
            0xC025,
            0xC026,
            0xC029,
            0xC02A,
            0xC02D,
            0xC02E,
            0xC031,
            0xC032,
        ),
        Severity.MEDIUM,
        "has no forward secrecy: the certificate's key is the only secret",
    ),
    Family(
        "psk",
        "pre-shared keys",
        (0x008C, 0x008D, 0x00A8, 0x00A9, 0x00AE, 0x00AF, 0x002C, 0x00B0),
        Severity.LOW,
        "authenticates by a shared secret in place of the certificate",
    ),
)

NAMES = {
    0x0001: "RSA_NULL_MD5", 0x0002: "RSA_NULL_SHA", 0x003B: "RSA_NULL_SHA256",
    0x0004: "RSA_RC4_128_MD5", 0x0005: "RSA_RC4_128_SHA", 0x000A: "RSA_3DES_CBC_SHA",
    0x002F: "RSA_AES128_CBC_SHA", 0x0035: "RSA_AES256_CBC_SHA",
    0x003C: "RSA_AES128_CBC_SHA256", 0x003D: "RSA_AES256_CBC_SHA256",
    0x009C: "RSA_AES128_GCM_SHA256", 0x009D: "RSA_AES256_GCM_SHA384",
    0x0041: "RSA_CAMELLIA128_CBC_SHA", 0x0084: "RSA_CAMELLIA256_CBC_SHA",
    0x00BA: "RSA_CAMELLIA128_CBC_SHA256", 0x00C0: "RSA_CAMELLIA256_CBC_SHA256",
    0x009E: "DHE_RSA_AES128_GCM_SHA256", 0x009F: "DHE_RSA_AES256_GCM_SHA384",
    0x1301: "AES128_GCM_SHA256", 0x1302: "AES256_GCM_SHA384", 0x1303: "CHACHA20_POLY1305_SHA256",
    0xC006: "ECDHE_ECDSA_NULL_SHA", 0xC007: "ECDHE_ECDSA_RC4_128_SHA",
    0xC008: "ECDHE_ECDSA_3DES_CBC_SHA", 0xC009: "ECDHE_ECDSA_AES128_CBC_SHA",
    0xC00A: "ECDHE_ECDSA_AES256_CBC_SHA", 0xC010: "ECDHE_RSA_NULL_SHA",
    0xC011: "ECDHE_RSA_RC4_128_SHA", 0xC012: "ECDHE_RSA_3DES_CBC_SHA",
    0xC013: "ECDHE_RSA_AES128_CBC_SHA", 0xC014: "ECDHE_RSA_AES256_CBC_SHA",
    0xC015: "ECDH_anon_NULL_SHA", 0xC018: "ECDH_anon_AES128_CBC_SHA",
    0xC019: "ECDH_anon_AES256_CBC_SHA", 0xC02B: "ECDHE_ECDSA_AES128_GCM_SHA256",
    0xC02C: "ECDHE_ECDSA_AES256_GCM_SHA384", 0xC02F: "ECDHE_RSA_AES128_GCM_SHA256",
    0xC030: "ECDHE_RSA_AES256_GCM_SHA384", 0xCCA8: "ECDHE_RSA_CHACHA20_POLY1305",
    0xCCA9: "ECDHE_ECDSA_CHACHA20_POLY1305", 0xC03C: "RSA_ARIA128_CBC_SHA256",
    0xC03D: "RSA_ARIA256_CBC_SHA384", 0xC050: "RSA_ARIA128_GCM_SHA256",
    0xC051: "RSA_ARIA256_GCM_SHA384",
}  # fmt: skip


def name(code: int) -> str:
    """IANA's name without `TLS_` and `WITH`, or the code point."""
    known = NAMES.get(code)
    return f"{known} ({code:#06x})" if known else f"{code:#06x}"
