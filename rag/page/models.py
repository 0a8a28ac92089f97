"""The tab of the models: which there are, which is here, how fast each is, which answers.

In: the catalogue, what is here of it, the job under way. Out: a card for each, and its buttons. It does not know how a
model is had, checked, measured or exchanged.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag.errors import RagError
from rag.loading import Choice
from rag.modelfiles import ModelFile
from rag.models import Kept, kept, models_folder
from rag.page.markup import QUIET, escaped, notice, shown
from rag.page.modeljobs import Job, Kind, ModelJobs
from rag.page.shared import PRIVATE, Shared, told_by
from rag.speeds import Speed, memory_needed, memory_total, remembered

if TYPE_CHECKING:
    import gradio as gr

    from rag.assistant import Assistant

TOLD = 60.0
"""Seconds for which it is told how a job ended."""

STYLE = f"""
.rag-models h2 {{ font-size: 1rem; font-weight: 600; margin: 0 0 .25rem; }}
.rag-models > p {{ font-size: .85rem; color: {QUIET} !important; margin: 0 0 .5rem; max-width: 48rem; }}
.rag-models > p.rag-said {{ color: var(--body-text-color) !important; min-height: 1.4em; font-weight: 600;
  overflow-wrap: anywhere; white-space: pre-wrap; }}
.rag-shelf {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); gap: .75rem; }}
.rag-model {{ border: 1px solid var(--border-color-primary); border-radius: 6px; padding: .75rem .9rem; min-width: 0;
  background: var(--block-background-fill); overflow-wrap: anywhere; font-size: .9rem; }}
.rag-model.rag-used {{ border-color: var(--color-accent); }}
.rag-model header {{ display: flex; gap: .6rem; align-items: baseline; }}
.rag-model h3 {{ font-size: 1rem; font-weight: 600; margin: 0; }}
.rag-model header span {{ font-size: .8rem; font-weight: 600; color: var(--link-text-color); white-space: nowrap; }}
.rag-model p {{ margin: .2rem 0 .4rem; white-space: pre-wrap; }}
.rag-model dl {{ display: grid; grid-template-columns: 5.5rem 1fr; gap: .15rem .6rem; margin: 0; font-size: .85rem; }}
.rag-model dt {{ color: {QUIET}; }}
.rag-model dd {{ margin: 0; min-width: 0; }}
.rag-model summary {{ cursor: pointer; }}
.rag-model code {{ font-size: .75rem; }}
.rag-model progress {{ appearance: none; width: 100%; height: .5rem; margin: .5rem 0 0; border: 0; border-radius: 4px;
  background: color-mix(in srgb, var(--body-text-color) 20%, transparent); }}
.rag-model progress::-webkit-progress-bar {{ background: none; }}
.rag-model progress::-webkit-progress-value {{ background: var(--color-accent); border-radius: 4px; }}
.rag-model progress::-moz-progress-bar {{ background: var(--color-accent); border-radius: 4px; }}
.rag-model .rag-actions {{ display: flex; flex-wrap: wrap; gap: .5rem; margin: .6rem 0 0; }}
.rag-model .rag-actions:empty {{ display: none; }}
.rag-model button {{ font: inherit; color: var(--body-text-color); background: var(--button-secondary-background-fill);
  border: 1px solid var(--border-color-primary); border-radius: 6px;
  margin: 0; padding: .35rem .8rem; cursor: pointer; }}
.rag-model button:hover {{ border-color: var(--color-accent); }}
@media (max-width: 799px) {{
  .rag-model button {{ min-height: 44px; min-width: 44px; }}
  .rag-model summary {{ margin: -.85rem 0; }}
}}
"""

# The page looks again by itself only while the tab is seen: at a job every second, else for what others do.
_ON_LOAD = """
const open = new Set();
let looked = 0;
element.addEventListener("toggle", event => {
  const fold = event.target.dataset.fold;
  if (fold) event.target.open ? open.add(fold) : open.delete(fold);
}, true);
element.addEventListener("click", event => {
  const button = event.target.closest("[data-action]");
  if (!button || (button.dataset.confirm && !window.confirm(button.dataset.confirm))) return;
  trigger("select", {action: button.dataset.action, name: button.dataset.name});
});
watch("value", () => {
  for (const fold of element.querySelectorAll("[data-fold]")) fold.open = open.has(fold.dataset.fold);
});
const timer = setInterval(() => {
  if (!element.isConnected) return clearInterval(timer);
  const pause = element.querySelector("progress, [data-loading]") ? 900 : 4900;
  if (document.hidden || !element.offsetParent || Date.now() - looked < pause) return;
  looked = Date.now();
  trigger("select", {action: "look"});
}, 1000);
"""
_GIVEN = ""
_JOBS: Mapping[str, Kind] = {"pull": "pull", "verify": "verify", "measure": "measure"}
_DOES: Mapping[Kind, str] = {
    "pull": "Pulling",
    "verify": "Verifying",
    "measure": "Measuring; questions wait for some seconds",
}
_LABELS = {"use": "Use", "pull": "Pull", "verify": "Verify", "measure": "Measure", "remove": "Remove"}


@dataclass(frozen=True, slots=True)
class Card:
    """What is told of a model of the catalogue; ``needed`` is bytes of memory, ``choice`` is set where it is in use."""

    model: ModelFile
    kept: Kept
    needed: int
    speed: Speed | None = None
    choice: Choice | None = None
    job: Job | None = None

    @property
    def actions(self) -> tuple[str, ...]:
        """What can be done with it now."""
        if self.job and not self.job.ended:
            return ("cancel",)
        if not self.kept.here or self.kept.damaged:
            return ("pull", *(("remove",) if self.kept.bytes and not self.choice else ()))
        usable = self.model.generation.prose and (self.choice is None or self.choice.failed)
        return (*(("use",) if usable else ()), "measure", "verify", *(() if self.choice else ("remove",)))


def shelf(cards: Sequence[Card], foreign: str, *, told: str, memory: int | None, disk: int | None) -> str:
    """All models; ``foreign`` is the card of one that the catalogue lacks, or empty."""
    machine = [f"This machine has {memory / 1e9:.1f} GB of memory." if memory else ""]
    machine += [f"{disk / 1e9:.1f} GB of disk are free for model files." if disk is not None else ""]
    rows = foreign + "".join(_card(card, memory) for card in cards)
    return (
        '<section class="rag-models"><h2>Models</h2><p>One model answers for everybody who opens this page, and'
        " everybody may choose, pull, measure and remove models. A model that is chosen answers from the next question"
        f" on; an answer under way ends with the one it has. {escaped(' '.join(filter(None, machine)))}</p>"
        f'<p class="rag-said" role="status">{escaped(told)}</p><div class="rag-shelf">{rows}</div></section>'
    )


def foreign_card(name: str, choice: Choice | None) -> str:
    """A model that was given at the start and is not of the catalogue: a file or a server."""
    about = "Given at the start: a file or a server of yours. What the catalogue knows of a model, it does not of this."
    return _article(
        shown(name), choice, f"<p>{about}</p>{_state(choice)}", "" if choice else _button("use", _GIVEN, shown(name))
    )


def _card(card: Card, memory: int | None) -> str:
    model, short = card.model, card.model.sha256[:12]
    source = " or ".join(filter(None, [model.repo and f"{model.repo} on the model hub", _wheels(model)]))
    more = " – more than there is" if memory and card.needed > memory else ""
    facts = {
        "File": escaped(_file(card)),
        "Size": f"{model.size / 1e9:.2f} GB",
        "Memory": escaped(f"about {card.needed / 1e9:.1f} GB{more}"),
        "Speed": escaped(_speed(card)),
        "Licence": escaped(f"{model.licence}, {model.terms}" if model.terms else model.licence),
        "From": escaped(source),
        "sha256": f'<details data-fold="{escaped(model.name)}"><summary>{escaped(short)}…</summary>'
        f"<code>{escaped(model.sha256)}</code></details>",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    about = f"<p>{escaped(model.reads[:1].upper() + model.reads[1:])}.</p>"
    buttons = "".join(_button(action, model.name, model.name, card) for action in card.actions)
    body = f"{about}{_state(card.choice)}<dl>{listed}</dl>{_progress(card.job)}"
    return _article(model.name, card.choice, body, buttons)


def _article(name: str, choice: Choice | None, body: str, buttons: str) -> str:
    used, badge = (" rag-used", "<span>In use</span>") if choice else ("", "")
    return (
        f'<article class="rag-model{used}" aria-label="{escaped(name)}">'
        f"<header><h3>{escaped(name)}</h3>{badge}</header>"
        f'{body}<div class="rag-actions">{buttons}</div></article>'
    )


def _state(choice: Choice | None) -> str:
    """How far the model in use is."""
    if choice is None:
        return ""
    told = choice.told or "It is loaded."
    loading = "" if choice.ready or choice.failed else ' data-loading="1"'
    return f'<p class="rag-quiet"{loading}>{escaped(f"It could not be loaded. {told}" if choice.failed else told)}</p>'


def _file(card: Card) -> str:
    kept = card.kept
    if not kept.here:
        return f"not here; {kept.bytes / card.model.size:.0%} of it has come" if kept.bytes else "not here"
    if kept.damaged:
        return "damaged: its bytes are not the catalogue's; pull it again"
    return f"here, verified on {kept.checked.astimezone():%d %b %Y}" if kept.checked else "here, not verified yet"


def _speed(card: Card) -> str:
    if card.speed is None:
        return "not measured on this machine"
    used = card.speed.threads
    cores = f"{used.write} thread{'s' if used.write != 1 else ''}"
    if used.read != used.write:
        cores = f"{used.read} to read, {cores} to write"
    pace = f"reads {card.speed.read:,.0f}, writes {card.speed.written:,.1f} tokens/s"
    return f"{pace} ({cores}, {card.speed.day:%d %b %Y})"


def _wheels(model: ModelFile) -> str:
    if not model.wheels:
        return ""
    many = f" and {len(model.wheels) - 1} more" if len(model.wheels) > 1 else ""
    return f"data wheels ({model.wheels[0].replace('==', ' ')}{many})"


def _progress(job: Job | None) -> str:
    if job is None or job.ended:
        return ""
    if not job.total:
        return f'<progress aria-label="{escaped(job.name)}"></progress>{notice(job.told or _DOES[job.kind])}'
    parts = [f"{job.done / job.total:.0%}", f"{job.done / 1e6:,.0f} of {job.total / 1e6:,.0f} MB"]
    if job.rate:
        parts += [f"{job.rate / 1e6:,.1f} MB/s", f"{duration(job.seconds_left or 0)} left"]
    bar = f'<progress value="{job.done}" max="{job.total}" aria-label="{escaped(job.name)}"></progress>'
    return bar + notice(" · ".join([*parts, job.told.removeprefix(f"{job.name}: ")]))


def duration(seconds: float) -> str:
    """Some seconds, in the unit that a reader would take."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _button(action: str, name: str, called: str, card: Card | None = None) -> str:
    label, confirm = _LABELS.get(action, "Cancel"), ""
    if action == "pull" and card and card.kept.bytes:
        label = "Pull again" if card.kept.here else "Pull the rest"
    if action == "remove" and card:
        question = f"Delete {called} from this machine? It is {card.model.size / 1e9:.2f} GB to pull again."
        confirm = f' data-confirm="{escaped(question)}"'
    return (
        f'<button type="button" data-action="{action}" data-name="{escaped(name)}"{confirm}'
        f' aria-label="{escaped(f"{label} {called}")}">{label}</button>'
    )


def drawn(assistant: Assistant, job: Job | None, said: str = "") -> str:
    """The tab as it is now; reads no model file through and loads nothing. ``said`` answers a visitor's last press."""
    loader, choice = assistant.loader, assistant.loader.choice
    speeds = remembered(assistant.settings.threads)
    try:
        cards = [
            Card(
                model,
                kept(model),
                memory_needed(model, assistant.settings.context_tokens),
                speeds.get(model.sha256),
                choice if choice.name == model.name else None,
                job if job and job.name == model.name else None,
            )
            for model in loader.catalogue.values()
        ]
    except RagError as error:
        cards, said = [], f"{error} {error.remedy}"
    news = _news(job)  # how a job ended is told beside what was answered before
    said = "\n".join(filter(None, (said, news))) if job and job.ended else said or news
    own = loader.given if loader.given not in ("", *loader.catalogue) else ""
    used = choice if choice.name not in loader.catalogue else None
    foreign = foreign_card(used.name if used else own, used) if used or own else ""
    return shelf(cards, foreign, told=said, memory=memory_total(), disk=_free_disk())


def _news(job: Job | None) -> str:
    if job is None or (job.ended and time.monotonic() - job.ended > TOLD):
        return ""
    return f"{job.told} {job.remedy}".strip() if job.ended else f"{_DOES[job.kind]}: {job.name}"


def _free_disk() -> int | None:
    folder = models_folder()
    place = next((one for one in (folder, *folder.parents) if one.is_dir()), None)
    return shutil.disk_usage(place).free if place else None


def act(assistant: Assistant, jobs: ModelJobs, action: str, name: str) -> str:
    """Do what a visitor pressed; what to tell, empty where the job tells it. Values sent by hand get an error, too."""
    try:
        if action == "use":
            return jobs.use(name or assistant.loader.given)
        if action == "remove":
            return jobs.remove(name)
        if action == "cancel":
            jobs.cancel(name)
        elif kind := _JOBS.get(action):
            jobs.start(kind, name)
    except RagError as error:
        return f"{error} {error.remedy}".strip()
    return ""


def draw(shared: Shared) -> None:
    """Draw the tab."""
    import gradio as gr

    jobs = ModelJobs(shared.assistant)
    with gr.Tab("Models") as tab:
        view = gr.HTML(js_on_load=_ON_LOAD)
        said = gr.State("")

    def pressed(event: gr.EventData, before: str) -> tuple[Any, str]:
        action, name = told_by(event, "action"), told_by(event, "name")
        if action == "look":
            return drawn(shared.assistant, jobs.job, before), gr.skip()
        words = act(shared.assistant, jobs, action, name)
        return drawn(shared.assistant, jobs.job, words), words

    pressed.__annotations__["event"] = gr.EventData  # Gradio finds it by its type, and cannot resolve the name
    tab.select(lambda: (drawn(shared.assistant, jobs.job), ""), None, [view, said], **PRIVATE)
    # A press may come while the page is looking, and would be dropped.
    view.select(pressed, [said], [view, said], trigger_mode="multiple", **PRIVATE)
