"""The page of a run: whole in one file, quiet in a browser, and what a name says in it is text."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import shutil
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from factorgraph import compile as compiler
from factorgraph.errors import RunError
from factorgraph.graph.resolve import resolve
from factorgraph.report import page, write
from factorgraph.report.contents import Contents, differences, judged
from factorgraph.report.diagram import about, networks, phases
from factorgraph.report.health import health
from factorgraph.report.pictures import PNG, description
from factorgraph.report.series import POINTS, curves
from factorgraph.report.watch import Server
from factorgraph.run.run import Run
from factorgraph.spec.load import load, loads
from factorgraph.training.session import train
from tests.report.browser import Tab, opened

HOSTILE = "</script><script>window.hit = 1</script><img src=x onerror='window.hit=1'>{{ 7 * 7 }}"
SPEC = """
factorgraph: 1
title: "TITLE"
source: {paper: "A & B <i>2008</i>"}
variables:
  Y: {kind: observed, shape: [16]}
  Z: {kind: latent, shape: [9]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
  encoder: {type: linear, activation: shrink}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction:     {type: squared_distance, between: [Z, encoder(Y)], weight: 0.5}
  sparsity:       {type: l1, of: Z, weight: 0.3}
inference:
  optimal: {method: argmin, of: Z, steps: 20}
  fast:    {method: amortized, of: Z, by: encoder(Y)}
learning:
  warm:  {loss: energy, steps: 5, batch_size: 16}
  joint: {loss: energy, steps: 7, batch_size: 16}
data: {source: natural_patches, size: 4, count: 60, test: 20, prepare: [remove_mean, unit_variance], bind: {Y: image}}
expect:
  close: {claim: "CLAIM", metric: energy(fast) / energy(optimal), at_most: 100}
"""


def spec_text(title: str = "A title", claim: str = "the encoder is near") -> str:
    return SPEC.replace("TITLE", title).replace("CLAIM", claim)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    made = train(loads(spec_text(HOSTILE, HOSTILE), "one.yaml"), tmp_path_factory.mktemp("runs") / "one")
    assert judged(made) == ""
    return made


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Run:
    changed = spec_text("Two").replace("weight: 0.3", "weight: 0.7")
    return train(loads(changed, "two.yaml"), tmp_path_factory.mktemp("runs") / "two")


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with opened() as found:
        yield found


class Elements(HTMLParser):
    """What a browser makes of a page: its elements, and the addresses that they name."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.elements.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]

    def handle_data(self, data) -> None:
        self.text.append(data)


def test_a_page_holds_all_that_it_shows(run):
    text = page([run])
    found = Elements(text)
    assert found.addresses and all(each.startswith(("data:", "#")) for each in found.addresses)
    assert found.elements.count("script") == 2
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    for name in ("style", "script"):
        inside = re.findall(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)[-1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"sha256-{digest}" in policy[1].replace("&#39;", "'")


def test_what_it_says_is_what_the_run_holds(run):
    text = page([run])
    said = " ".join("".join(Elements(text).text).split())
    for word in ("warm steps 1 to 5", "joint steps 6 to 12", "holds", "at most 100", "factorgraph evaluate"):
        assert word in said
    shown = Contents(run)
    assert shown.procedures[0] == ["optimal", "fast"]
    assert {row[0] for row in shown.procedures[1]} >= {"energy", "reconstruction", "active units of Z", "steps"}
    assert {each.name for each in shown.pictures()} >= {"filters-decoder", "reconstructions", "curves", "codes"}
    assert "inference optimal" in shown.plan and "phase joint" in shown.plan
    assert said.count(HOSTILE.replace("  ", " ")) >= 2  # as text: title and claim


def test_the_last_look_at_each_measure_stands_beside_its_bound(run):
    looks = {(each.title, each.subject): each for each in Contents(run).health}
    rows = [row for row in run.metrics if row.get("health")]
    dead = looks["share of units that are dead", "Z"]
    assert dead.value == f"{rows[-1]['health']['dead']['Z']:.4g}" and dead.bound == "at most 0.05" and dead.phase == "joint"
    first, *_, last = [row["health"]["code_scale"]["Z"] for row in rows if row["phase"] == "joint"] * 2
    scale = looks["mean length of codes", "Z"]
    assert scale.bound == f"{first / 10:.4g} to {first * 10:.4g}" and scale.is_trouble == (not first / 10 <= last <= first * 10)
    rows = [{"phase": "joint", "health": {"dead": {"Z": 0.3}}}, {"phase": "other", "health": {"gone": {"Z": 1.0}}}]
    made = health(run.spec, rows)
    assert [(each.value, each.is_trouble) for each in made] == [("0.3", True)]


def test_each_phase_is_drawn_with_what_it_trains(run):
    told = re.findall(r'data-about="(encoder[^"]*)"', Contents(run).phases)
    assert len(told) == 2 and all("trained in this phase" in each for each in told)
    once = loads(spec_text("One").replace("  joint: {loss: energy, steps: 7, batch_size: 16}\n", ""), "once.yaml")
    assert phases(resolve(once), compiler.plan(once, resolve(once)), once.document) == ""


def test_what_an_unrolled_procedure_is_is_drawn_once_for_its_name():
    graph = resolve(load("lista"))
    drawn = networks(graph, compiler.plan(graph.spec, graph), graph.spec.document)
    assert list(drawn) == ["lista[0]"] and 'aria-label="inhibition. 100×100, learned"' in drawn["lista[0]"]


def test_pictures_say_what_they_show(run):
    found = {each.name: each for each in Contents(run).pictures()}
    assert "9 filters" in found["filters-decoder"].alt and found["filters-decoder"].alt.startswith("Filters: decoder")
    assert "across: step" in found["curves"].words and "reconstruction" in found["curves"].words
    assert all(each.width > 100 and each.height > 100 for each in found.values())
    text = "L\xe4nge \u2013 <b>".encode()
    chunk = struct.pack(">I4s", 5 + 11 + len(text), b"iTXt") + b"Description\0\0\0\0\0" + text + b"four"
    assert description(PNG + chunk) == text.decode() and description(PNG + chunk[:9]) == "" and description(b"") == ""


def test_headings_and_landmarks_are_in_order(run, other, tab, tmp_path):
    for file in (write([run]), write([run, other], tmp_path / "both.html")):
        tab.open(file.as_uri())
        levels = tab.run("[...document.querySelectorAll('h1,h2,h3,h4')].map(each => Number(each.tagName[1]))")
        assert levels[0] == 1 and levels.count(1) == 1 and all(b - a <= 1 for a, b in itertools.pairwise(levels))
        assert tab.run("['header', 'nav', 'main'].every(each => document.querySelectorAll('body ' + each).length === 1)")
        assert tab.run("[...document.querySelectorAll('nav a')].every(each => document.querySelector(each.getAttribute('href')))")
        ids = tab.run("[...document.querySelectorAll('[id]')].map(each => each.id)")
        assert len(set(ids)) == len(ids)
        labels = tab.run("[...document.querySelectorAll('section')].map(each => each.getAttribute('aria-labelledby'))")
        assert set(labels) <= set(ids)
        assert tab.run("[...document.images].every(each => each.alt.length > 4)")
        assert tab.complaints == []


CONTRAST = r"""
(() => {
  const linear = (each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4;
  const light = (text) => {
    const [r, g, b] = text.match(/[\d.]+/g).map((each) => linear(Number(each) / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (each) => {
    const colour = getComputedStyle(each).backgroundColor;
    return colour === 'rgba(0, 0, 0, 0)' ? behind(each.parentElement) : colour;
  };
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const says = (each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const seen = [...document.querySelectorAll('body *')].filter((each) => !each.closest('svg') && each.checkVisibility());
  const written = seen.filter(says);
  const drawn = [...document.querySelectorAll('.chart svg [stroke]')];
  const dim = written.filter((each) => ratio(getComputedStyle(each).color, behind(each)) < 4.5);
  const faint = drawn.filter((each) => ratio(getComputedStyle(each).stroke, behind(each)) < 3);
  return [...dim, ...faint].map((each) => each.outerHTML.slice(0, 90));
})()
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_letters_and_lines_stand_out_from_what_is_behind_them(run, tab, theme):
    tab.open(write([run]).as_uri())
    tab.run(f"document.documentElement.dataset.theme = '{theme}'")
    tab.run("document.querySelector('.keys button').click(); document.querySelector('details').open = true")
    assert tab.run(CONTRAST) == []


def test_curves_are_read_by_keyboard_and_nothing_is_wider_than_a_telephone(run, tab):
    tab.open(write([run]).as_uri())
    tab.run("document.querySelector('.chart svg').focus()")
    tab.press("End")
    assert tab.run("document.querySelector('.chart output').textContent").startswith("step 12: energy ")
    tab.press("ArrowLeft")
    assert tab.run("document.querySelector('.chart output').textContent").startswith("step 11: energy ")
    try:
        tab.ask("Emulation.setDeviceMetricsOverride", width=360, height=700, deviceScaleFactor=1, mobile=False)
        assert tab.run("document.documentElement.scrollWidth") <= 360
        tab.until("document.querySelector('.chart svg').viewBox.baseVal.width < 360")  # letters keep their size
    finally:
        tab.ask("Emulation.clearDeviceMetricsOverride")


def test_on_paper_everything_is_open(run, tab):
    tab.open(write([run]).as_uri())
    assert tab.run("[...document.querySelectorAll('details')].some(each => !each.open)")
    assert base64.b64decode(tab.ask("Page.printToPDF")["data"]).startswith(b"%PDF")
    assert tab.run("[...document.querySelectorAll('details')].every(each => each.open)")


def test_shapes_know_what_they_are_and_where_they_stand(run):
    shown = Contents(run)
    told = dict(re.findall(r'data-about="([^"\n&]+)[^"]*" data-line="(\d+)"', shown.diagram))
    lines = shown.spec_lines
    assert {"Y", "Z", "decoder(Z)", "encoder(Y)", "reconstruction", "sparsity"} <= told.keys()
    for name, line in told.items():
        entry = name.partition("(")[0]
        assert lines[int(line) - 1].strip().startswith(f"{entry}:"), name
    path, words = about(shown.graph, "factor sparsity")
    assert path == ("factors", "sparsity") and "weight: 0.3" in words and any("0.3 · " in each for each in words)
    assert "learns matrix: 16×9" in about(shown.graph, "decoder(Z)")[1]


def test_several_runs_are_compared(run, other, tmp_path):
    rows = {row[0]: row[1:] for row in differences([Contents(run), Contents(other)])}
    assert rows["factors.sparsity.weight"] == ["0.3", "0.7"]
    assert "factors.prediction.weight" not in rows
    assert write([run, other], tmp_path / "both.html").read_text().count("<article") == 2


def test_what_one_spec_has_is_a_row_and_defaults_of_its_types_are_none(run, tmp_path):
    more = spec_text("Three").replace("encoder: {type: linear, activation: shrink}", "encoder: {type: network, layers: 9fc}")
    more = more.replace("sparsity:       {type: l1, of: Z, weight: 0.3}", "prior: {type: student_t, of: Z}")
    third = train(loads(more, "three.yaml"), tmp_path / "three")
    assert judged(third) == ""
    rows = {row[0]: row[1:] for row in differences([Contents(run), Contents(third)])}
    assert rows["functions.encoder.type"] == ["linear", "network"] and rows["functions.encoder.layers"] == ["–", '"9fc"']
    assert rows["factors.prior"] == ["–", "{type: student_t, of: Z, degrees: 1.0}"] and rows["factors.sparsity"][1] == "–"
    assert "functions.encoder.unit_norm" not in rows and len(rows) <= 7
    text = page([run, third])
    assert Contents(run).energy != "–" and text.count(f">{Contents(third).energy}</td>") >= 2


def test_an_evaluation_of_an_earlier_sitting_is_not_shown(run, other):
    assert Contents(run).evaluation
    assert not Contents(other).evaluation  # nobody evaluated it
    kept = Contents(run)
    kept.about = {**kept.about, "start": "another time"}
    assert not kept.claims


def test_curves_are_thinned_by_means_and_gaps_stay():
    alike = {"phase": "one", "player": "model", "split": "train", "shares": {"a": 1.0}}
    rows = [{**alike, "step": step, "energy": float(step), "loss": float(step)} for step in range(1, 4 * POINTS + 1)]
    rows[0]["energy"] = rows[0]["loss"] = float("nan")
    found = {each["name"]: each["points"] for each in curves(rows)["curves"]}
    assert set(found) == {"energy", "a"} and len(found["energy"]) == POINTS
    assert found["energy"][0] == [4, 3.0] and found["energy"][1] == [8, 6.5]
    assert json.dumps(found)
    rows = [{**alike, "step": 1, "energy": 2.0, "loss": 2.0}, {**alike, "phase": "two", "step": 2, "loss": 3.0}]
    found = {each["name"]: each["points"] for each in curves(rows)["curves"]}
    assert found["loss"] == [[1, None], [2, 3.0]] and found["energy"] == [[1, 2.0], [2, None]]  # a loss that sees no energy
    game = [{**row, "player": name} for row in rows[:2] for name in ("critic", "generator")]
    assert [each["name"] for each in curves(game)["curves"]] == ["loss of critic", "loss of generator"]


def test_a_browser_finds_nothing_to_complain_of(run, tab):
    file = write([run])
    tab.open(file.as_uri())
    assert tab.run("window.hit") is None
    assert tab.run("document.querySelector('h1').textContent") == HOSTILE
    assert tab.run("document.querySelectorAll('.chart svg path').length") > 4
    assert tab.run("[...document.images].every(each => each.complete && each.naturalWidth > 0)")
    assert tab.complaints == []
    assert all(each.startswith(("file:", "data:", "about:")) for each in tab.requests)


def test_a_shape_shows_its_line_by_mouse_and_by_keyboard(run, tab):
    tab.open(write([run]).as_uri())
    tab.run("document.querySelector('[data-about^=sparsity]').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    assert tab.run("document.querySelector('.spec .lit').textContent").strip().startswith("sparsity:")
    assert "weight: 0.3" in tab.run("document.querySelector('.about').textContent")
    tab.run("document.querySelector('[data-about^=Y]').focus()")
    assert "16" in tab.run("document.querySelector('.about').textContent")
    tab.press("Enter")
    assert tab.run("document.querySelector('.spec .lit').textContent").strip().startswith("Y:")


def test_curves_can_be_put_aside_and_light_changed(run, tab):
    tab.open(write([run]).as_uri())
    count = "document.querySelectorAll('.chart svg path[stroke]').length"
    before = tab.run(count)
    tab.run("document.querySelector('.keys button').click()")
    assert tab.run(count) == before - 1
    assert tab.run("document.querySelector('.keys button').getAttribute('aria-pressed')") == "false"
    colour = "document.getElementById('theme').click(); getComputedStyle(document.body).backgroundColor"
    seen = [tab.run(colour) for _ in range(2)]
    assert seen[0] != seen[1]


def test_curves_on_both_sides_of_zero_are_spread_by_their_ratios(run, tab, tmp_path):
    """Of an energy of thousands and terms of a tenth, some below 0, a linear scale shows one line on another."""
    copy = tmp_path / run.path.name
    shutil.copytree(run.path, copy)
    shares = {"fit": 2000.0, "lateral": -0.2, "prior": 0.1}
    row = {"split": "train", "phase": "fit", "energy": 2000.0, "shares": shares, "loss": 2000.0}
    rows = [{**row, "step": n} for n in range(9)]
    (copy / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tab.open(write([Run(copy)]).as_uri())
    heights = "[...document.querySelectorAll('.chart svg path[stroke-width]')].map(each => each.getBBox().y)"
    assert tab.run("document.querySelector('.scale').textContent") == "logarithmic scale"
    _, fit, lateral, prior = tab.run(heights)[:4]
    assert lateral - prior > 15 and prior - fit > 100
    assert "0" in tab.run("[...document.querySelectorAll('.chart svg text')].map(each => each.textContent)")
    tab.run("document.querySelector('.scale').click()")
    _, fit, lateral, prior = tab.run(heights)[:4]
    assert abs(lateral - prior) < 1 and prior - fit > 100


def test_a_run_is_watched_in_place(run, tab):
    with Server(run.path) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        begun = len(tab.requests)
        tab.open(server.address)
        tab.run("document.querySelector('#plan-1 ~ details').open = true; document.querySelector('.figures button').click()")
        tab.run("scrollTo(0, document.getElementById('plan-1').offsetTop - 50); window.stood = scrollY")
        figures = "[...document.querySelectorAll('.figures figure')]"
        tab.run(f"window.first = {figures}[0]")
        assert tab.run("document.querySelector('[role=status]').textContent") == "finished"
        with run.folder.lock() as folder:
            kept = folder.about()
            folder.write_json("run.json", {**kept, "exit": "another end", "seconds": 321.5})
            image = folder.path / "figures" / "curves.png"
            folder.write("figures/added.png", image.read_bytes())
        tab.until("document.querySelector('[role=status]').textContent === 'another end'")
        tab.until(f"{figures}.some(each => each.dataset.name === 'added' && each.querySelector('img').naturalWidth > 0)")
        assert "321.5" in tab.run("document.querySelector('.facts').textContent")
        assert tab.run("document.querySelector('#plan-1 ~ details').open && Math.abs(scrollY - stood) < 2 || scrollY - stood")
        assert tab.run(f"{figures}[0] === first && first.classList.contains('wide')")
        with run.folder.lock() as folder:
            folder.write_json("run.json", {**kept, "exit": None})
            tab.until("document.querySelector('[role=status]').textContent === 'learning'")
        tab.until("document.querySelector('[role=status]').textContent === 'stopped without a word'")  # nobody writes it now
        with run.folder.lock() as folder:
            folder.write_json("run.json", kept)
        (run.path / "figures" / "added.png").unlink()
        assert tab.complaints == []
        assert all(each.startswith((server.address, "data:", "file:")) for each in tab.requests[begun:])
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/figures/../run.json", None, 404),
        ("/figures/%2e%2e/run.json", None, 404),
        ("/run.json", None, 404),
        ("/figures/missing.png", None, 404),
        ("/", "elsewhere.example", 403),
        ("/state.json", None, 200),
    ],
)
def test_a_server_gives_the_page_and_its_pictures_alone(run, path, host, status):
    with Server(run.path) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asked = urllib.request.Request(server.address.rstrip("/") + path, headers={"Host": host} if host else {})
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                found = answer.status
        except urllib.error.HTTPError as reason:
            found = reason.code
        server.shutdown()
    assert found == status


def test_a_damaged_folder_still_has_a_page(run, tmp_path):
    import shutil

    copy = Path(shutil.copytree(run.path, tmp_path / "copy"))
    (copy / "evaluation.json").write_text('{"start": 3, "claims": 7}')
    (copy / "plan.json").unlink()
    shutil.rmtree(copy / "figures")
    (copy / "metrics.jsonl").write_text("")
    text = page([Run(copy)])
    assert "Not judged yet" in text and "None yet." in text


def test_a_page_replaces_no_file_of_its_run(run):
    before = (run.path / "spec.yaml").read_bytes()
    with pytest.raises(RunError, match=r"FG661: .*spec\.yaml is what this is made of"):
        write([run], run.path / "spec.yaml")
    assert (run.path / "spec.yaml").read_bytes() == before
