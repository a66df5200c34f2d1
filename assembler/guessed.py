"""What people type to see a password refused. A value that everybody would have guessed is no secret."""

from __future__ import annotations

__all__ = ["GUESSED"]

_WORDS = """
a aa aaa aaaa abc abc1 abc12 abc123 abcd abcde abcdef abcdefg admin admin123 asdf bad bogus changeme foo hello invalid
invalid-token letmein nope p pass pass1 pass12 pass123 passw0rd password password1 password123 pw qwerty qwerty123 secret
short test test1 test123 tiny tooshort weak weakpass welcome wrong x xx xxx xyz 1 12 123 1234 12345 123456 1234567 12345678
123456789 1234567890 12345678901 0000 00000 000000 00000000 1111 111111 11111111 654321 9999 999999
"""

GUESSED = tuple(_WORDS.split())
