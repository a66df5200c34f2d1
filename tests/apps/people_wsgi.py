"""A register of people: names, mail addresses and telephone numbers come as forms, JSON and multipart, and are shown again.

`MUTANT=1` shows the last name first.
"""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, jsonify, redirect, request
from markupsafe import escape

app = Flask(__name__)
people: list[dict[str, str]] = []


def full_name(person: dict[str, str]) -> str:
    parts = [person["first_name"], person["last_name"]]
    return " ".join(reversed(parts) if os.environ.get("MUTANT") else parts)


@app.get("/health")
def health() -> str:
    return "well"


@app.post("/people")
def add() -> Any:
    people.append(request.form.to_dict())
    return redirect(f"/people/{len(people)}", 303)


@app.get("/people/<int:number>")
def show(number: int) -> str:
    person = people[number - 1]
    return (
        f"<!doctype html><title>{escape(full_name(person))}</title><p>Welcome, {escape(full_name(person))}! "
        f'Write to <a href="mailto:{escape(person["email"])}">{escape(person["email"])}</a> or call {person["phone"]}.'
        f'<form><input name="last_name" value="{escape(person["last_name"])}"><input name="customer_no" '
        f'value="{escape(person["customer_no"])}"></form>'
    )


@app.get("/search")
def search() -> Any:
    return jsonify([person for person in people if person["email"] == request.args["mail"]])


@app.post("/api/people")
def add_json() -> Any:
    people.append(request.get_json())
    return jsonify({"added": people[-1], "greeting": f"Hello {full_name(people[-1]).upper()}"})


@app.get("/by/<mail>")
def by_mail(mail: str) -> Any:
    return jsonify({"found": [full_name(person) for person in people if person["email"] == mail]})


@app.post("/notes")
def note() -> str:
    return f"{request.form['surname']} wrote: {request.form['text']}"
