"""Secrets in the many ways in which applications say them: each with what would betray it on a disk."""

from __future__ import annotations

import base64
import gzip
import json
from typing import NamedTuple
from urllib.parse import quote, urlencode

SECRET = "Zq7kW2mTx9LpV4cRb8Nd"
WORDS = "correcthorsebattery"
HEX = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
ISSUED = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
STRIPE = f"sk_{'live'}_{ISSUED[:24]}"
GITHUB = f"gh{'p'}_{ISSUED}"
SLACK = f"xox{'b'}-123456789012-{ISSUED[:24]}"
CRYPTED = f"$2y$05${SECRET}{SECRET}abcdefghijkl"
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl{SECRET}"
KEY = f"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7{SECRET}"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{KEY}\n-----END RSA PRIVATE KEY-----\n"
PGP = f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{KEY}\n-----END PGP PRIVATE KEY BLOCK-----"
SAML = base64.b64encode(f"<samlp:Response ID='x'><saml:Assertion>{SECRET}".encode()).decode()
AMAZON = (
    "https://b.s3.example/k?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524&X-Amz-SignedHeaders=host&X-Amz-Signature="
)
AZURE = "https://a.blob.example/c/b?sv=2021-08-06&se=2023&sp=r&sig="
GOOGLE = "https://storage.example/b/o?X-Goog-Credential=a%40b&X-Goog-Signature="

JSON, FORM, TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain"
HTML, XML, CUT = "text/html", "application/xml", "multipart/form-data; boundary=cut"


class Said(NamedTuple):
    """A message: a request, or where it has a status an answer."""

    secret: str | bytes
    body: bytes = b""
    media_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""
    path: str = ""
    status: str = ""


def sent(body: str | bytes, media_type: str, secret: str | bytes = SECRET, *headers: tuple[str, str]) -> Said:
    return Said(secret, body.encode() if isinstance(body, str) else body, media_type, headers)


def answered(body: str, media_type: str, secret: str = SECRET) -> Said:
    return Said(secret, body.encode(), media_type, (), status="200 OK")


def header(name: str, value: str, secret: str = SECRET, status: str = "200 OK") -> Said:
    return Said(secret, b"", TEXT, ((name, value),), status=status)


def field(value: str, head: str = "") -> str:
    return f'--cut\r\nContent-Disposition: form-data; name="payload"\r\n{head}\r\n{value}\r\n--cut--\r\n'


def both(text: str, secret: str) -> tuple[Said, Said]:
    """In an answer of JSON and in a text that is sent."""
    return answered(json.dumps({"value": text}), JSON, secret), sent(f"please use {text}\n", TEXT, secret)


PASSWORD = json.dumps({"password": SECRET})
NESTED = f"/a?token={SECRET}&b=1"
ONCE, TWICE = quote(NESTED, safe=""), quote(quote(NESTED, safe=""), safe="")

SAID: dict[str, Said] = {
    # In headers
    "cookie of an error": header("Set-Cookie", f"sid={SECRET}; Path=/", status="500 Internal Server Error"),
    "fragment of a redirect": header("Location", f"https://a.example/cb#access_token={SECRET}&x=1", status="302 Found"),
    "link": header("Link", f'</a?token={SECRET}>; rel="next"'),
    "server timing": header("Server-Timing", f'db;desc="token={SECRET}"'),
    "json in a header": header("X-Debug", PASSWORD),
    "refresh": header("Refresh", f"0; url={NESTED}"),
    "challenge": header("WWW-Authenticate", f'Bearer error_description="token {SECRET} expired"'),
    "location of a signature": header("Content-Location", f"/a?sig={SECRET}"),
    "code in a redirect": header("Location", f"/cb?code={SECRET}&state=xyz", status="302 Found"),
    "referer": sent("", "", SECRET, ("Referer", f"https://a.example/cb?x=1&token={SECRET}")),
    "fragment of a referer": sent("", "", SECRET, ("Referer", f"https://a.example/cb#token={SECRET}")),
    "code in a referer": sent("", "", SECRET, ("Referer", f"https://a.example/cb?code={SECRET}&state=abc")),
    "digest": sent("", "", HEX, ("Authorization", f'Digest username="ada", nonce="n", response="{HEX}"')),
    "subscription key": sent("", "", SECRET, ("Ocp-Apim-Subscription-Key", SECRET)),
    "functions key": sent("", "", SECRET, ("X-Functions-Key", SECRET)),
    "security token": sent("", "", SECRET, ("X-Amz-Security-Token", SECRET)),
    # In addresses
    "encoded": Said(SECRET, query=f"next={ONCE}"),
    "encoded twice": Said(SECRET, query=f"next={TWICE}"),
    "encoded three times": Said(SECRET, query=f"next={quote(TWICE, safe='')}"),
    "name encoded twice": Said(SECRET, query=f"%2570assword={SECRET}"),
    "semicolons": Said(SECRET, query=f"a=1;token={SECRET};b=2"),
    "code": Said(SECRET, query=f"code={SECRET}&state=af0ifjsldkj"),
    "amazon": Said(HEX, query=AMAZON.partition("?")[2] + HEX),
    "azure": Said(SECRET, query=AZURE.partition("?")[2] + SECRET),
    "google": Said(HEX, query=GOOGLE.partition("?")[2] + HEX),
    "jwt in the path": Said(JWT, path=f"/reset/{JWT}"),
    "matrix parameter": Said(SECRET, path=f"/a;jsessionid={SECRET}/b"),
    "key in the path": Said(STRIPE, path=f"/v1/keys/{STRIPE}"),
    # In forms
    "json in a part": sent(field(PASSWORD), CUT),
    "typed json in a part": sent(field(PASSWORD, f"Content-Type: {JSON}\r\n"), CUT),
    "number in a part": sent(field('{"password": 738291}'), CUT, "738291"),
    "form in a part": sent(field(f"a=1&password={SECRET}"), CUT),
    "json in a field": sent(urlencode({"payload": PASSWORD}), FORM),
    "json in json in a field": sent(urlencode({"payload": json.dumps({"inner": PASSWORD})}), FORM),
    "json that is called a form": sent(PASSWORD, FORM),
    "words that are called a form": sent(json.dumps([{"password": WORDS}]), FORM, WORDS),
    "private key": sent(urlencode({"pem": PEM}), FORM, KEY),
    "form as text": sent(f"user=ada\r\npassword={WORDS}\r\n", TEXT, WORDS),
    "code and grant": sent(f"grant_type=authorization_code&code={SECRET}&client_id=y", FORM),
    "verifier": sent(f"grant_type=authorization_code&code=x&code_verifier={SECRET}", FORM),
    "refresh token": sent(f"grant_type=refresh_token&refresh_token={SECRET}", FORM),
    "client secret": sent(f"grant_type=client_credentials&client_secret={SECRET}", FORM),
    "device code": sent(f"grant_type=urn:x&device_code={SECRET}", FORM),
    "assertion": sent(f"grant_type=urn:x&client_assertion={SECRET}", FORM),
    "saml": sent(urlencode({"SAMLResponse": SAML}), FORM, quote(SAML[:60], safe="")),
    "saml in a page": answered(f'<input type="hidden" name="SAMLResponse" value="{SAML}">', HTML, SAML[:60]),
    # In JSON and its relatives
    "graphql variables": sent(json.dumps({"query": "mutation", "variables": {"password": SECRET}}), JSON),
    "graphql literal": sent(json.dumps({"query": f'mutation {{ login(password: "{WORDS}") {{ ok }} }}'}), JSON, WORDS),
    "graphql": sent(f'mutation {{ login(password: "{SECRET}") {{ ok }} }}', "application/graphql"),
    "object of secrets": answered(json.dumps({"secrets": {"db": SECRET}}), JSON),
    "object of passwords": answered(json.dumps({"passwords": {"ada": SECRET}}), JSON),
    "object of a password": answered(json.dumps({"password": {"value": SECRET}}), JSON),
    "keys of an account": answered(json.dumps({"AccessKeyId": "x", "SecretAccessKey": SECRET}), JSON),
    "lines": answered(f'{{"a": 1}}\n{{"token": "{SECRET}"}}\n', "application/x-ndjson"),
    "number in lines": answered('{"a": 1}\n{"password": 738291}\n', "application/x-ndjson", "738291"),
    "padded json": answered(f')]}}\',\n{{"token": "{SECRET}"}}', JSON),
    "call": answered(f'cb({{"token":"{SECRET}"}})', "text/javascript"),
    "server-sent": answered(f'data: {{"token": "{SECRET}"}}\n\n', "text/event-stream"),
    "private key in json": answered(json.dumps({"pem": PEM}), JSON, KEY),
    "private key cut short": answered(json.dumps({"pem": PEM[:90]}), JSON, KEY[:50]),
    # In other encodings and under other types
    "utf-16": sent(PASSWORD.encode("utf-16"), JSON, SECRET.encode("utf-16-le")),
    "utf-16 without a mark": sent(PASSWORD.encode("utf-16-be"), JSON, SECRET.encode("utf-16-be")),
    "utf-32": sent(PASSWORD.encode("utf-32-le"), JSON, SECRET.encode("utf-32-le")),
    "utf-16 as announced": sent(PASSWORD.encode("utf-16"), f"{JSON}; charset=utf-16", SECRET.encode("utf-16-le")),
    "utf-16 of no type": sent(PASSWORD.encode("utf-16-le"), "", SECRET.encode("utf-16-le")),
    "gzip of no type": sent(gzip.compress(PASSWORD.encode()), "", SECRET, ("Content-Encoding", "gzip")),
    "jwt as a type": answered(JWT, "application/jwt", JWT),
    "script": sent(f"export API_KEY={SECRET}\n", "application/x-sh"),
    "mixed parts": sent(f"--b\r\nContent-Type: {JSON}\r\n\r\n{PASSWORD}\r\n--b--\r\n", "multipart/mixed; boundary=b"),
    "message": sent(f"GET / HTTP/1.1\r\nAuthorization: Bearer {SECRET}1a2b\r\n\r\n", "message/http"),
    # In tables and files
    "csv": sent(f"user,password,role\nada,{SECRET},admin\n", "text/csv"),
    "semicolons in lines": sent(f"user;password;role\r\nada;{SECRET};admin\r\n", "text/csv"),
    "quoted cells": answered(f'"user","api key"\n"ada","{WORDS}"\n', "text/csv; charset=utf-8", WORDS),
    "tabs": answered(f"user\tpassword\nada\t{WORDS}\n", "text/tab-separated-values", WORDS),
    "yaml": sent(f"db:\n  password: {WORDS}  # of production\n", "application/yaml", WORDS),
    "yaml, quoted": sent(f"db:\n  'password': '{WORDS}'\n", "application/yaml", WORDS),
    "yaml, in lines": sent(f"password: |\n  {SECRET}\n", "application/yaml"),
    "yaml, in braces": sent(f"db: {{user: ada, password: {SECRET}}}\n", "application/yaml"),
    "ini": sent(f"[db]\npassword = {WORDS}\n", TEXT, WORDS),
    "environment": sent("DB_PASSWORD=hunter2\n", TEXT, "hunter2"),
    "netrc": sent(f"machine h.example login ada password {WORDS}\n", TEXT, WORDS),
    "netrc, in lines": sent(f"machine h.example\n  login ada\n  password {SECRET}\n", TEXT),
    "htpasswd": sent(f"ada:$apr1${SECRET[:8]}${SECRET}ab\n", TEXT, f"${SECRET}ab"),
    "web.config": answered(f'<add key="Password" value="{WORDS}"/>', XML, WORDS),
    "property": answered(f'<property name="db.password">{WORDS}</property>', XML, WORDS),
    "property list": answered(f"<dict><key>password</key><string>{WORDS}</string></dict>", XML, WORDS),
    "soap": answered(f'<wsse:Password Type="x">{WORDS}</wsse:Password>', "text/xml", WORDS),
    # In pages and messages
    "cookie of a script": answered(f"<script>document.cookie='csrftoken={SECRET}; path=/'</script>", HTML),
    "cell of a page": answered(f"<table><tr><th>Password</th><td>{SECRET}</td></tr></table>", HTML),
    "list of a page": answered(f"<dl><dt>API key</dt><dd>{SECRET}</dd></dl>", HTML),
    "shown once": answered(f"<p>Your password: <code>{SECRET}</code></p>", HTML),
    "button": answered(f'<button name="token" value="{SECRET}">x</button>', HTML),
    "sentence": answered(f"Your new password is {SECRET}\n", TEXT),
    "header in a text": sent(f"Authorization: Token {SECRET}\n", TEXT),
    "option of a command": sent(f"run --user ada --password {WORDS} now", TEXT, WORDS),
    "pgp": sent(PGP, TEXT, KEY),
    "amazon in a page": answered(f'<a href="{AMAZON.replace("&", "&amp;")}{HEX}">x</a>', HTML, HEX),
    "another signature": answered(
        json.dumps({"url": f"https://d.example/i?Expires=1&Signature={SECRET}~&Key-Pair-Id=A"}), JSON
    ),
}
for name, text, secret in (
    ("stripe", STRIPE, STRIPE),
    ("github", GITHUB, GITHUB),
    ("slack", SLACK, SLACK),
    ("bcrypt", CRYPTED, CRYPTED),
    ("amazon address", AMAZON + HEX, HEX),
    ("azure address", AZURE + SECRET, SECRET),
    ("google address", GOOGLE + HEX, HEX),
    ("address of a database", f"postgresql://ada:{WORDS}@h/db", WORDS),
    ("address with dollars", "postgresql://ada:pa$$word1XyZ@h/db", "pa$$word1XyZ"),
    ("ado", f"Server=h;User Id=ada;Password={WORDS};", WORDS),
    ("storage account", f"AccountName=a;AccountKey={SECRET}{SECRET}==;", SECRET),
    ("libpq", f"host=h user=ada password={WORDS} dbname=x", WORDS),
    ("jdbc", f"jdbc:postgresql://h/db?user=ada&password={WORDS}", WORDS),
):
    SAID[f"{name} in json"], SAID[f"{name} in a text"] = both(text, secret)

FAILURES = {
    "assignment": (SECRET, f"login failed with password={SECRET}"),
    "repr": (WORDS, repr({"password": WORDS})),
    "bytes": (SECRET, repr({"password": SECRET.encode()})),
    "arguments": (SECRET, repr(["prog", "--token", SECRET])),
    "object": (WORDS, f"User(name='ada', password='{WORDS}')"),
    "sentence": (SECRET, f"invalid token {SECRET}"),
    "address": (WORDS, f"could not connect to postgresql://ada:{WORDS}@h/db"),
}
"""What exceptions say."""
