"""The addresses of a draft's page: every form of it changes one thing, through the same code as the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

import assembler.drafts
import assembler.promote
from assembler import curation
from assembler.curation import Outdated, curate
from assembler.document import loads_profile
from assembler.profile import Ignore
from assembler.promote import NotPromotable
from assembler.revision import with_rules
from playback import comparators
from playback.engine import Options
from playback.envfile import environment
from playback.ignoring import literal
from playback.validation import MAPPED
from playback.web.calibrations import Calibrations
from playback.web.draft import Drafts
from playback.web.paging import number_of
from playback.web.site import Site
from recorder import drafts as bundles

__all__ = ["routes"]

DONE = {
    "saved": "Saved.",
    "asked": "The secret is asked for at replay; whoever replays sets the variable that stands under Promotion.",
    "dropped": "The step is gone.",
    "kept": "The rule stands in the draft now.",
    "released": "The rule is gone; the place is compared again.",
    "accepted": "The chosen rules stand in the draft now.",
    "begun": "The calibration has begun.",
    "cancelled": "The calibration is ending.",
}
"""What is said after a change, by the word that stands in the address."""
_UNTRUSTED = {"Content-Security-Policy": "default-src 'none'; sandbox"}


@dataclass(frozen=True)
class Asked:
    """What a form of the page asks for: a draft, the version that was looked at, and the fields."""

    slug: str
    fields: dict[str, list[str]]

    def one(self, name: str) -> str:
        """The text of a field, its ends trimmed."""
        return self.fields.get(name, [""])[0].strip()

    def needed(self, name: str, what: str) -> str:
        """The text of a field that must hold one. Raises ValueError."""
        if text := self.one(name):
            return text
        raise ValueError(f"Fill in {what}.")

    @property
    def version(self) -> str:
        return self.one("version")

    @property
    def page(self) -> int:
        return number_of(self.one("page"))


def by_fields(act: Callable[..., str], **named: str) -> Callable[[Asked], curation.Change]:
    """A change that takes the texts of fields, in this order; `named` says what each is called where it is left out."""

    def make(asked: Asked) -> curation.Change:
        given = [asked.needed(name, what) for name, what in named.items()]
        return lambda text: act(text, *given)

    return make


def step_saved(asked: Asked) -> curation.Change:
    """The change of a step's form: name, title and what is expected. Raises ValueError."""
    step, name = asked.needed("step", "the step"), asked.needed("name", "the step's name")
    status = asked.one("status")
    if status and not (status.isascii() and status.isdecimal() and len(status) == 3):
        raise ValueError(f"A status is a number such as 200, not {status!r}.")
    keys: dict[str, str | int | None] = {"status": int(status) if status else None}
    keys |= {key: asked.one(key) or None for key in ("media_type", "location", "contains")}

    def change(text: str) -> str:
        text = curation.title_step(text, step, asked.one("title") or None)
        text = curation.expect(text, step, keys)
        return curation.rename_step(text, step, name)

    return change


def comparison_saved(asked: Asked) -> curation.Change:
    """The change of a file's form. Raises ValueError, also for what the comparator does not understand."""
    target = asked.needed("target", "the file")
    if asked.one("act") == "drop":
        return lambda text: curation.drop_comparison(text, target)
    method = asked.needed("method", "the way to compare")
    try:
        params = json.loads(asked.one("params") or "{}")
    except (ValueError, RecursionError) as error:
        raise ValueError(f'What the comparator is told must be JSON such as {{"tolerance": 0.01}}: {error}.') from None
    if not isinstance(params, dict):
        raise ValueError('What the comparator is told must be a JSON object such as {"tolerance": 0.01}.')
    if method != MAPPED:
        comparators.validate_params(method, params)
    return lambda text: curation.set_comparison(text, target, method, params)


def rule_kept(asked: Asked) -> curation.Change:
    """The change that adds an ignore rule. Raises ValueError."""
    rule = Ignore(
        step=asked.needed("step", "the step, or * for all of them"), where=asked.needed("where", "the place"),
        why=asked.needed("why", "why it is not looked at: whoever reads a report wants to know"),
    )  # fmt: skip
    return lambda text: with_rules(text, [rule])


def rules_accepted(asked: Asked, calibrations: Calibrations) -> curation.Change:
    """The change that adds the proposals that were ticked. Raises ValueError."""
    known = calibrations.of(asked.slug)
    if known is None or known.found is None:
        raise ValueError("There is no calibration of this draft to take rules from; calibrate it.")
    proposals = known.found.proposals
    chosen = [proposals[int(n)] for n in asked.fields.get("proposal", []) if n.isdecimal() and int(n) < len(proposals)]
    if not chosen:
        raise ValueError("Nothing was chosen: mark the rules to accept.")

    def change(text: str) -> str:
        profile = loads_profile(text)
        names = {literal(step.id) for step in [*profile.prologue, *profile.steps]} | {
            literal(c.target) for c in profile.comparisons
        }
        for proposal in chosen:
            if proposal.rule.step not in names:
                raise ValueError(f"{proposal.step} is not in the draft any more; calibrate it again.")
        return with_rules(text, [proposal.rule for proposal in chosen])

    return change


def routes(site: Site) -> APIRouter:
    """`/ui/drafts/{slug}` and what is done there."""
    router = APIRouter()
    drafts, calibrations = Drafts(site), Calibrations(site.data_root)

    async def shown(
        request: Request, slug: str, page: int, status: int = 200, refused: str | None = None, done: str | None = None
    ) -> Response:
        try:
            view = await asyncio.to_thread(
                drafts.view, slug, page, calibrations.of(slug), refused=refused, done=done
            )  # fmt: skip
        except (LookupError, ValueError, OSError) as error:
            return site.refusal(request, 404, str(error))
        return await asyncio.to_thread(lambda: site.page(request, "draft.html", status, view=view))

    def here(slug: str, done: str, page: int = 1, place: str = "") -> str:
        query = {"done": done} | ({"page": page} if page > 1 else {})
        return f"/ui/drafts/{quote(slug, safe='')}?{urlencode(query)}{f'#{place}' if place else ''}"

    async def asked(request: Request, slug: str) -> Asked:
        return Asked(slug, await site.form(request))

    async def change(
        request: Request, slug: str, make: Callable[[Asked], curation.Change], done: str, said: str, place: str = ""
    ) -> Response:
        """Change the document by a form, and show it; refused with the page as it is now."""
        form = Asked(slug, {})
        try:
            form = await asked(request, slug)
            await asyncio.to_thread(curate, slug, site.data_root, form.version, make(form))
        except Outdated as error:
            return await shown(request, slug, form.page, 409, str(error))
        except LookupError as error:
            return site.refusal(request, 404, str(error))
        except (ValueError, OSError) as error:
            return await shown(request, slug, form.page, 422, str(error))
        named = form.one("name") or form.one("step") or form.one("target")
        site.audit(request, f"draft {slug}: {said} {named}".rstrip())
        return site.see_other(request, here(slug, done, form.page, place))

    @router.get("/ui/drafts/{slug}")
    async def page(slug: str, request: Request) -> Response:
        done = DONE.get(request.query_params.get("done", ""))
        return await shown(request, slug, number_of(request.query_params.get("page")), done=done)

    @router.post("/ui/drafts/{slug}/step")
    async def save_step(slug: str, request: Request) -> Response:
        return await change(request, slug, step_saved, "saved", "changed step", "steps")

    @router.post("/ui/drafts/{slug}/secret")
    async def ask_for_secrets(slug: str, request: Request) -> Response:
        make = by_fields(curation.ask_for_secrets, step="the step", secret="a name for the secret")
        return await change(request, slug, make, "asked", "asks for the secrets of step", "steps")

    @router.post("/ui/drafts/{slug}/drop")
    async def drop_step(slug: str, request: Request) -> Response:
        make = by_fields(curation.drop_step, step="the step")
        return await change(request, slug, make, "dropped", "dropped step", "steps")

    @router.post("/ui/drafts/{slug}/file")
    async def save_file(slug: str, request: Request) -> Response:
        return await change(request, slug, comparison_saved, "saved", "changed how it compares", "files")

    @router.post("/ui/drafts/{slug}/ignore")
    async def keep_rule(slug: str, request: Request) -> Response:
        return await change(request, slug, rule_kept, "kept", "added a rule for", "rules")

    @router.post("/ui/drafts/{slug}/compare-again")
    async def release_rule(slug: str, request: Request) -> Response:
        make = by_fields(curation.drop_rule, step="the step", where="the place")
        return await change(request, slug, make, "released", "took back a rule for", "rules")

    @router.post("/ui/drafts/{slug}/accept")
    async def accept(slug: str, request: Request) -> Response:
        answer = await change(
            request,
            slug,
            lambda form: rules_accepted(form, calibrations),
            "accepted",
            "accepted proposed rules",
            "rules",
        )
        if answer.status_code == 303:
            calibrations.forget(slug)
        return answer

    @router.post("/ui/drafts/{slug}/calibrate")
    async def calibrate(slug: str, request: Request) -> Response:
        try:
            form = await asked(request, slug)
            base_url = form.one("base_url") or None
            going = environment(site.data_root, environ=site.environ, base_url=base_url)
            await asyncio.to_thread(assembler.drafts.folder_of, slug, site.data_root)
            calibrations.begin(slug, Options(base_url=base_url), going)
        except LookupError as error:
            return site.refusal(request, 404, str(error))
        except ValueError as error:
            return await shown(request, slug, 1, 409, str(error))
        site.audit(request, f"draft {slug}: calibration begun")
        return site.see_other(request, here(slug, "begun", place="calibration"))

    @router.post("/ui/drafts/{slug}/calibrate/cancel")
    async def cancel(slug: str, request: Request) -> Response:
        if (going := calibrations.of(slug)) is not None:
            going.cancelled.set()
            site.audit(request, f"draft {slug}: calibration cancelled")
        return site.see_other(request, here(slug, "cancelled", place="calibration"))

    @router.post("/ui/drafts/{slug}/promote")
    async def promote(slug: str, request: Request) -> Response:
        return await end(request, slug, lambda form: _promoted(site, form))

    @router.post("/ui/drafts/{slug}/discard")
    async def discard(slug: str, request: Request) -> Response:
        return await end(request, slug, lambda form: _discarded(site, form))

    async def end(request: Request, slug: str, act: Callable[[Asked], tuple[str, str]]) -> Response:
        """Do what makes an end of the draft, and go where it is to be seen."""
        try:
            form = await asked(request, slug)
            said, to = await asyncio.to_thread(act, form)
        except Outdated as error:
            return await shown(request, slug, 1, 409, str(error))
        except LookupError as error:
            return site.refusal(request, 404, str(error))
        except (ValueError, OSError) as error:
            return await shown(request, slug, 1, 409 if isinstance(error, NotPromotable) else 422, str(error))
        calibrations.forget(slug)
        site.audit(request, said)
        return site.see_other(request, to)

    @router.get("/ui/drafts/{slug}/export")
    async def export(slug: str, request: Request) -> Response:
        if not site.may_act(request):
            return site.refusal(request, 403, "With this token one may look; a draft is handed over to operators only.")
        try:
            await asyncio.to_thread(assembler.drafts.folder_of, slug, site.data_root)
            packed = await asyncio.to_thread(bundles.export, site.data_root, slug)
        except LookupError as error:
            return site.refusal(request, 404, str(error))
        except (ValueError, OSError) as error:
            return site.refusal(request, 422, str(error))
        if packed is None:
            return site.refusal(request, 409, f"The draft {slug} is still being recorded: end its capture first.")
        site.audit(request, f"draft {slug} handed over")
        headers = {
            **_UNTRUSTED,
            "Content-Disposition": f'attachment; filename="{slug}.zip"',
            "Cache-Control": "no-store",
        }
        return Response(packed, media_type="application/zip", headers=headers)

    @router.get("/ui/drafts/{slug}/files/{name:path}")
    async def one_file(slug: str, name: str, request: Request) -> Response:
        try:
            found = await asyncio.to_thread(_file, slug, name, site.data_root)
        except (LookupError, ValueError) as error:
            return site.refusal(request, 404, str(error))
        return FileResponse(found, media_type="application/octet-stream", filename=found.name, headers=_UNTRUSTED)

    return router


def _promoted(site: Site, form: Asked) -> tuple[str, str]:
    """Promote; what is to be told, and where the profile is. Raises NotPromotable, Outdated, LookupError, OSError."""
    folder = assembler.drafts.folder_of(form.slug, site.data_root)
    _same(form, folder)
    questions = [o for o in assembler.promote.obstacles(form.slug, site.data_root) if o.kind == "question"]
    if questions and not form.one("answered"):
        raise NotPromotable(f"{questions[0].sentence} Mend it, then say that the questions are answered.")
    assembler.promote.promote(form.slug, site.data_root, reviewed=bool(form.one("reviewed")))
    return f"draft {form.slug} promoted", f"/ui/profiles/{quote(form.slug, safe='')}"


def _discarded(site: Site, form: Asked) -> tuple[str, str]:
    folder = assembler.drafts.folder_of(form.slug, site.data_root)
    _same(form, folder)
    assembler.drafts.discard(form.slug, site.data_root)
    return f"draft {form.slug} discarded", "/"


def _same(form: Asked, folder: Path) -> None:
    """Nobody promotes or discards what he has not seen. Raises Outdated."""
    try:
        text = (folder / "profile.yaml").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        text = None
    if form.version != (curation.version_of(text) if text is not None else ""):
        raise Outdated(
            f"The draft {form.slug} was changed by somebody else since you looked at it; nothing was done. "
            "Look at it as it is now."
        )


def _file(slug: str, name: str, data_root: Path) -> Path:
    """A regular file of a draft. Raises LookupError, ValueError."""
    folder = assembler.drafts.folder_of(slug, data_root)
    there = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()}
    if name not in there:
        raise LookupError(f"The draft {slug} holds no file {name!r}.")
    return there[name]
