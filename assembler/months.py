"""The names of months and days as pages write them in other languages than English."""

from __future__ import annotations

__all__ = ["DAY_NAMES", "MONTH_NAMES", "month_number"]

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


def _either(names: list[str]) -> str:
    longest = sorted(names, key=len, reverse=True)
    return "(?:" + "|".join(f"[{n[0].upper()}{n[0]}]{n[1:]}" for n in longest) + ")"


MONTH_NAMES = _either([*_NUMBERS]) + r"(?![^\W\d_])\.?"
"""A month by its name, also shortened."""

DAY_NAMES = _either(_DAYS.split())
"""A day of the week."""


def month_number(name: str) -> int:
    """1 to 12. Raises KeyError for what is no month."""
    return _NUMBERS[name.rstrip(".").lower()]
