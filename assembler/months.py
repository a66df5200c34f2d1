"""The names of months and days as pages write them in other languages than English."""

from __future__ import annotations

__all__ = ["CALENDAR_WORDS", "DAY_NAMES", "MONTH_NAMES", "day_number", "month_number"]

_MONTHS = (
    ("january", "januar", "janvier", "enero", "gennaio", "januari", "janeiro"),
    ("february", "februar", "février", "febrero", "febbraio", "februari", "fevereiro"),
    ("march", "märz", "mars", "marzo", "maart", "março"),
    ("april", "avril", "abril", "aprile"),
    ("may", "mai", "mayo", "maggio", "mei", "maio", "maj"),
    ("june", "juni", "juin", "junio", "giugno", "junho"),
    ("july", "juli", "juillet", "julio", "luglio", "julho"),
    ("august", "août", "agosto", "augustus", "augusti"),
    ("september", "septembre", "septiembre", "settembre", "setembro"),
    ("october", "oktober", "octobre", "octubre", "ottobre", "outubro"),
    ("november", "novembre", "noviembre", "novembro"),
    ("december", "dezember", "décembre", "diciembre", "dicembre", "dezembro"),
)
_SHORT = (
    ("jan", "janv", "ene", "gen"), ("feb", "févr", "fév", "fev"), ("mar", "mär", "mrt"), ("apr", "avr", "abr"), ("may", "mag"),
    ("jun", "giu"), ("jul", "juil", "lug"), ("aug", "ago", "aoû"), ("sep", "sept", "set"), ("oct", "okt", "ott", "out"),
    ("nov",), ("dec", "dez", "déc", "dic"),
)  # fmt: skip
_NUMBERS = {name: number for names in (_MONTHS, _SHORT) for number, each in enumerate(names, 1) for name in each}
_DAYS = (
    "montag dienstag mittwoch donnerstag freitag samstag sonntag lundi mardi mercredi jeudi vendredi samedi dimanche "
    "lunes martes miércoles jueves viernes sábado domingo lunedì martedì mercoledì giovedì venerdì sabato domenica "
    "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag segunda-feira terça-feira quarta-feira quinta-feira sexta-feira"
)
_ENGLISH = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _either(names: list[str]) -> str:
    longest = sorted(names, key=len, reverse=True)
    return "(?:" + "|".join(f"[{n[0].upper()}{n[0]}]{n[1:]}" for n in longest) + ")"


MONTH_NAMES = _either([*_NUMBERS]) + r"(?![^\W\d_])\.?"
"""A month by its name, also shortened."""

DAY_NAMES = _either(_DAYS.split())
"""A day of the week."""


CALENDAR_WORDS = {*_NUMBERS, *(part for name in _DAYS.split() for part in name.split("-")), *_ENGLISH, "tues", "thur", "thurs"} | {
    f"{begun}day" for begun in ("mon", "tues", "wednes", "thurs", "fri", "satur", "sun")
}  # fmt: skip
"""Every name of a month or a day, in lower case."""


def month_number(name: str) -> int:
    """1 to 12. Raises KeyError for what is no month."""
    return _NUMBERS[name.rstrip(".").lower()]


def day_number(name: str) -> int:
    """0 for Monday to 6 for Sunday; of an English name the first three letters will do. Raises ValueError for what is no day."""
    lower = name.lower()
    names = _DAYS.split()
    return names.index(lower) % 7 if lower in names else _ENGLISH.index(lower[:3])
