"""
The page of a report in a real browser.
"""

import io
import random
import re

import pytest
from PIL import Image
from report.logged import record, written
from servers.page import browser as browser
from servers.page import chromium as chromium

from mllog.cli import main

pytestmark = [pytest.mark.metricservers, pytest.mark.timeout(400)]

EVIL = (
    "</script></style></textarea><script>window.owned=1</script>"
    "<img src=http://127.0.0.1:9/x onerror='window.owned=1'>"
    "\"'><svg onload=window.owned=1>${window.owned=1}{{constructor}}"
    "<!-- javascript:window.owned=1 &lt;script&gt;"
)


def logs_in(folder):
    """
    A day of a server and of a training; fields are hostile as well.
    """
    folder.mkdir()
    chance = random.Random(1)
    rows = []
    for number in range(3000):
        version = chance.choice(["3", "4"])
        latency = chance.lognormvariate(-3, 0.4)
        made = record(
            number,
            inference_latency=latency * (1.5 if version == "4" else 1.0),
            model_name=EVIL if number % 2 else "bert",
            model_version=version,
            temperature=chance.gauss(20 if number < 1500 else 26, 4),
            **{
                EVIL: chance.choice(["a", EVIL]),
                "image": "http://127.0.0.1:9",
            },
        )
        if number % 60 == 0:
            made |= {"level": "ERROR", "message": EVIL, "logger": EVIL}
        rows.append(made)
    for step in range(100):
        metrics = {"train/loss": 2 / (step + 1), EVIL: step}
        rows.append(record(step, step=step, run=EVIL, metrics=metrics))
    name = "a<img src=x onerror=window.owned=1>.jsonl"
    path = written(folder / name.replace("/", ""), rows)
    with path.open("ab") as file:
        file.write(b'mllog: <b onclick="window.owned=1">12 dropped\n{"torn')
    return folder


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    path = folder / "report.html"
    logs = logs_in(folder / "logs<script>window.owned=1<")
    assert 0 == main(["report", str(logs), "--html", str(path)])
    return path


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


def drawn(chromium, html, **looks):
    page = chromium.open(html, **looks)
    page.wait("document.body && document.body.dataset.drawn")
    return page


def colors_in(picture):
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    return image, image.getcolors(1 << 24)


@pytest.mark.parametrize("width", [1280, 360])
def test_page_shows_answers_and_charts_in_every_look(
    chromium, html, scheme, width
):
    """
    Light and dark, wide and narrow: all charts are there, nothing is blank,
    and the page does not scroll sideways.
    """
    page = drawn(
        chromium,
        html,
        dark=scheme == "dark",
        width=width,
        is_phone=width < 500,
    )

    assert scheme == page.ask("document.body.dataset.drawn")
    assert [] == page.troubles
    assert 4 == page.ask("document.querySelectorAll('.answer').length")
    charts = page.ask(
        "[...document.querySelectorAll('.chart')].map((e) => [e.id,"
        " e.dataset.drawn, e.querySelectorAll('svg path').length,"
        " e.getBoundingClientRect().width])"
    )
    assert 8 <= len(charts)
    for name, state, paths, wide in charts:
        assert scheme == state, name
        assert 3 < paths, name
        assert 200 < wide <= width, name
    assert width >= page.ask("document.documentElement.scrollWidth")
    image, colors = colors_in(page.picture())
    assert 100 < len(colors)
    most = max(colors)[1]
    assert (sum(most) < 200) == (scheme == "dark")


def test_page_answers_the_four_questions(chromium, html):
    """
    The slower version and the input that drifts are named on top.
    """
    page = drawn(chromium, html)

    answers = dict(
        page.ask(
            "[...document.querySelectorAll('.answer')].map((e) =>"
            " [e.querySelector('h2').textContent,"
            " e.querySelector('.verdict').textContent])"
        )
    )

    assert "✗No, slower" == answers["Is model_version 4 better than 3?"]
    assert "✗Yes: temperature" == answers["Is the input drifting?"]
    assert "model_version = 4" in answers["What do slow requests share?"]
    assert "Slower than before?" in answers


def test_nothing_of_records_runs_and_nothing_is_asked_for(chromium, html):
    """
    Hostile names and values are text; no request leaves the page.
    """
    page = drawn(chromium, html)

    assert EVIL[:30] in page.ask("document.body.textContent")
    assert page.ask("window.owned === undefined")
    assert 0 == page.ask("document.querySelectorAll('img').length")
    assert 3 == page.ask("document.querySelectorAll('script').length")
    assert [] == page.requests
    assert [] == page.troubles


def test_control_without_escaping_runs_scripts_of_records(
    chromium, html, tmp_path
):
    """
    The same page, not escaped and without its policy, is owned: the test
    above would see it.
    """
    text = html.read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", text)
    broken = tmp_path / "broken.html"
    broken.write_text(text.replace("<footer>", f"{EVIL}<footer>"))

    page = chromium.open(broken)

    page.wait("window.owned === 1")
    page.wait("document.readyState === 'complete'")
    assert page.requests


def test_policy_stops_what_escaping_would_let_through(
    chromium, html, tmp_path
):
    """
    With the policy not even script in the page runs.
    """
    text = html.read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    broken.write_text(text.replace("<footer>", f"{EVIL}<footer>"))

    page = chromium.open(broken)
    page.wait("document.readyState === 'complete'")

    assert page.ask("window.owned === undefined")
    assert page.troubles  # what was refused


def first_labels(page):
    return page.ask(
        "['latency-time', 'volume'].map((name) =>"
        " [...document.querySelectorAll(`#chart-${name} .role-axis-label"
        " text`)].map((e) => e.textContent).sort().join())"
    )


def test_charts_over_time_zoom_together_by_button_and_wheel(chromium, html):
    """
    The button zooms in, the wheel with Ctrl further, and All shows all; the
    other charts over time follow.
    """
    page = drawn(chromium, html)
    before = first_labels(page)

    x, y = page.place("#figure-latency-time [data-zoom='0.5']")
    for kind in ("mousePressed", "mouseReleased"):
        page.mouse(kind, x, y, button="left", clickCount=1)
    page.wait(f"{labels_of('volume')} !== {before[1]!r}")
    zoomed = first_labels(page)
    assert before[0] != zoomed[0]

    x, y = page.place("#chart-latency-time svg")
    page.mouse("mouseMoved", x, y)
    for _ in range(4):
        page.mouse("mouseWheel", x, y, deltaX=0, deltaY=-300, modifiers=2)
    page.wait(f"{labels_of('latency-time')} !== {zoomed[0]!r}")

    x, y = page.place("#figure-latency-time [data-zoom='0']")
    for kind in ("mousePressed", "mouseReleased"):
        page.mouse(kind, x, y, button="left", clickCount=1)
    page.wait(f"{labels_of('latency-time')} === {before[0]!r}")
    assert [] == page.troubles


def labels_of(name):
    return (
        f"[...document.querySelectorAll('#chart-{name} .role-axis-label"
        " text')].map((e) => e.textContent).sort().join()"
    )


def test_point_under_the_mouse_shows_its_values(chromium, html):
    """
    Hovering over a bar shows when it was, and how many records there were.
    """
    page = drawn(chromium, html)

    x, y = page.place("#chart-volume svg")
    page.mouse("mouseMoved", x, y)
    page.mouse("mouseMoved", x + 1, y + 1)
    said = page.wait(
        "(document.querySelector('#vg-tooltip-element.visible') || {})"
        ".textContent"
    )

    assert "records" in said
    assert "2026-11-21 00:" in said


def test_switch_changes_the_page_and_its_charts(chromium, html):
    """
    One click and everything is dark, whatever the system prefers; another
    and it is light.
    """
    page = drawn(chromium, html)

    for wanted in ("dark", "light"):
        x, y = page.place("#theme")
        for kind in ("mousePressed", "mouseReleased"):
            page.mouse(kind, x, y, button="left", clickCount=1)
        page.wait(f"document.body.dataset.drawn === {wanted!r}")
        _, colors = colors_in(page.picture())
        assert (sum(max(colors)[1]) < 200) == (wanted == "dark")


CONTRAST = """
(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((each) => each / 255).map((each) =>
      each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const back = (e) => {
    for (let each = e; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some(
      (each) => each.nodeType === 3 && each.textContent.trim());
    if (!own || e.closest("script, style, [hidden]")) continue;
    const style = getComputedStyle(e);
    const ink = e.closest("svg") ? style.fill : style.color;
    const a = light(parse(ink).slice(0, 3)), b = light(back(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push([e.tagName, e.className.baseVal ||
      e.className, ratio, e.textContent.slice(0, 40)]);
  }
  return found;
})()
"""


def test_text_has_enough_contrast(chromium, html, scheme):
    """
    The contrast of all text, that of charts included, is 4.5 and more.
    """
    page = drawn(chromium, html, dark=scheme == "dark")

    assert [] == page.ask(CONTRAST)
    page.ask("document.querySelector('footer').style.color = '#888'")
    page.ask("document.body.style.background = '#999'")
    assert page.ask(CONTRAST)
