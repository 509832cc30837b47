"""
A rendered report, in the terminal and as a page.
"""

import io
import json
import re

import pytest
from report.logged import record, served, written

from mllog.cli import main
from mllog.report import open_logs, report
from mllog.report.render.document import (
    Headline,
    Chart,
    TableColumn,
    Details,
    Note,
    Section,
    Document,
    Sparkline,
    ReportTable,
)
from mllog.report.render.headlines import build_view
from mllog.report.render.html import render_html
from mllog.report.render.report_sections import build_document
from mllog.report.render.terminal import bars, render_terminal

HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31m\u202e&amp;"


def shown_of(path, **options):
    with open_logs(path) as logs:
        return build_document(
            build_view(logs, report(logs, title="logs", **options))
        )


def answers_of(path, **options):
    return [
        (each.question, each.verdict, each.tone)
        for each in shown_of(path, **options).answers
    ]


def text_of(found, width=80, color=False):
    stream = io.StringIO()
    render_terminal(found, stream, color, width)
    return stream.getvalue()


def test_slower_version_and_time_are_named_on_top(tmp_path):
    """
    Version 4 takes twice as long, and so does the second half of the time.
    """
    records = [
        {**each, "inference_latency": each["inference_latency"] * later}
        for each, later in zip(
            served(
                3000, slower=lambda r: 2 if r["model_version"] == "4" else 1
            ),
            [1] * 1500 + [2] * 1500,
            strict=True,
        )
    ]
    path = written(tmp_path / "a.log", records)

    before, versions, common, _ = answers_of(path)

    assert ("Slower than before?", "Yes, slower", "bad") == before
    question = "Is model_version 4 better than 3?"
    assert (question, "No, slower", "bad") == versions
    assert common[1].startswith(("model_version = 4", "time = "))


def test_equal_versions_are_not_called_different(tmp_path):
    """
    Where nothing differs no answer claims a difference, or proven equality.
    """
    path = written(tmp_path / "a.log", served(3000, seed=5))

    before, versions, common, drift = answers_of(path)

    assert before[1] in ("No", "Not seen", "Not enough data")
    assert versions[1] in ("No difference", "Not seen", "Not enough data")
    assert "Nothing found" == common[1]
    assert ("Is the input drifting?", "No", "good") == drift


def test_drifting_input_is_named_and_latencies_are_no_input(tmp_path):
    """
    The field that moved is named; a latency that moved is not an input.
    """
    records = [
        {
            **each,
            "inference_latency": each["inference_latency"]
            * (1 + number // 500),
            "temperature": (number * 37 % 100) / 10 + 20 * (number >= 500),
        }
        for number, each in enumerate(served(1000))
    ]
    path = written(tmp_path / "a.log", records)

    *_, drift = answers_of(path)

    assert ("Is the input drifting?", "Yes: temperature", "bad") == drift


def test_what_logs_do_not_have_is_one_line_each(tmp_path):
    """
    Logs without latencies, groups, curves and summaries name the fields
    those need, and have no empty section.
    """
    path = written(tmp_path / "a.log", [record(n) for n in range(30)])

    found = shown_of(path)

    assert ["volume", "losses", "reading"] == [e.key for e in found.sections]
    assert 4 == len(found.missing)
    assert "inference_latency" in found.missing[0]
    assert all(each.verdict == "Unknown" for each in found.answers)
    assert "Not in these logs" in text_of(found)


def test_empty_log_is_shown(tmp_path):
    """
    A log without any record is rendered as a page and as text.
    """
    path = tmp_path / "a.log"
    path.write_bytes(b"")

    found = shown_of(path)

    assert "0 records" in text_of(found)
    assert "0 records" in render_html(found, "")


@pytest.mark.parametrize("values", [[0.1] * 300, [0.0] * 300, [1e9] * 300])
def test_latencies_without_spread_are_shown(tmp_path, values):
    """
    All alike, all 0, or absurd: there is a text and a page.
    """
    rows = [
        record(n, inference_latency=each, model_version=str(n % 2))
        for n, each in enumerate(values)
    ]
    path = written(tmp_path / "a.log", rows)

    found = shown_of(path)

    assert "300 records" in text_of(found)
    assert "300 records" in render_html(found, "")


def test_versions_of_odd_names_are_compared(tmp_path):
    """
    Names that look like conditions, ranges or paths are only names.
    """
    names = ["a == b..c", "/tmp"]
    rows = [
        record(n, inference_latency=0.1 + n % 7, model_version=names[n % 2])
        for n in range(200)
    ]
    path = written(tmp_path / "a.log", rows)

    _, versions, *_ = answers_of(path)

    assert "Is model_version a == b..c better than /tmp?" == versions[0]


def hostile():
    chart = Chart(
        "volume",
        HOSTILE,
        {"data": {"values": [{"x": HOSTILE}]}},
        (Sparkline("records", (1.0, None, 2.0), HOSTILE),),
        True,
    )
    parts = (
        chart,
        ReportTable(HOSTILE, (TableColumn(HOSTILE),), ((HOSTILE,),), ("bad",)),
        Details(HOSTILE, ((HOSTILE, HOSTILE),)),
        Note(HOSTILE, "warn"),
    )
    answer = Headline(HOSTILE, HOSTILE, HOSTILE, "bad", "volume")
    section = Section("volume", HOSTILE, parts)
    return Document(HOSTILE, HOSTILE, (answer,) * 4, (section,), (HOSTILE,))


def test_page_escapes_all_text():
    """
    Nothing that is shown makes an element, and data end no script.
    """
    text = render_html(hostile(), "library")

    assert "<img" not in text
    assert 3 == text.count("<script") == text.count("</script>")
    (data,) = re.findall(r'id="charts">(.*?)</script>', text)
    assert (
        HOSTILE == json.loads(data)["volume"]["spec"]["data"]["values"][0]["x"]
    )


def test_page_allows_its_own_scripts_only_and_no_request():
    """
    The policy has a hash for each script, and nothing else is allowed.
    """
    text = render_html(hostile(), "library")

    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', text)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert 3 == policy.count("sha256-")


def test_text_fits_its_columns_and_has_no_code_in_a_pipe(tmp_path):
    """
    80 columns are not passed, whatever the names, and no line has ANSI codes.
    """
    long = "x" * 300
    rows = [
        {**each, "model_name": long, long: number % 3}
        for number, each in enumerate(served(600))
    ]
    path = written(tmp_path / "a.log", rows)

    found = shown_of(path)
    text = text_of(found)

    assert [] == [each for each in text.splitlines() if len(each) > 80]
    assert "\x1b" not in text
    assert "\x1b[" in text_of(found, color=True)


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [
        ((0.0, 1.0, 8.0), 9, " ▁█"),
        ((0.0, 0.0), 9, "▁▁"),
        ((1.0, None, 2.0), 9, "▄ █"),
        ((1.0, 1.0, 8.0, 8.0), 2, "▁█"),
        ((), 9, ""),
    ],
)
def test_bars_are_as_high_as_their_values(values, width, expected):
    """
    The highest is full, what is not 0 is seen, and gaps are gaps.
    """
    assert expected == bars(values, width)


def test_page_is_bounded_whatever_the_size_of_the_log(tmp_path):
    """
    Charts are of groups and intervals: ten times the records and hundreds of
    models and metrics make no larger page than 500 kB beside its library.
    """
    rows = [
        {
            **each,
            "model_version": str(number % 300),
            "zone": f"z{number % 400}",
            "step": number,
            "metrics": {f"m{n}": number for n in range(20)},
        }
        for number, each in enumerate(served(1500))
    ]
    path = written(tmp_path / "a.log", rows)

    size = len(render_html(shown_of(path), "").encode())

    assert 500_000 > size


def test_report_shows_in_the_terminal_and_as_a_page(tmp_path, capsys):
    """
    Without an option it is text; --html writes a page and prints its path.
    """
    path = written(tmp_path / "a.log", served(300))
    html = tmp_path / "page.html"

    assert 0 == main(["report", str(path)])
    text = capsys.readouterr().out
    assert 0 == main(["report", str(path), "--html", str(html)])
    said = capsys.readouterr()

    assert "Is the input drifting?" in text
    assert ("", f"mllog: wrote {html}") == (said.out, said.err.split(" (")[0])
    assert 2_000_000 > html.stat().st_size > 800_000
    assert "vegaEmbed" in html.read_text(encoding="utf-8")


def test_compare_is_shown_in_place_of_the_versions(tmp_path, capsys):
    """
    What was asked for is compared, and its tests are named.
    """
    path = written(tmp_path / "a.log", served(600))

    assert 0 == main(
        ["report", str(path), "--compare", "batch_size=1", "batch_size=8"]
    )
    text = capsys.readouterr().out

    assert "Is batch_size=8 better than 1?" in text
    assert "Brunner-Munzel" in text
    assert "Holm" in text


def test_run_field_identifies_runs(tmp_path, capsys):
    """
    --run names the field; without it training is shown as well.
    """
    rows = [
        record(n, step=n, metrics={"loss": 1 / (n + 1)}, host=f"h{n % 2}")
        for n in range(40)
    ]
    path = written(tmp_path / "a.log", rows)

    assert 0 == main(["report", str(path), "--run", "host"])
    text = capsys.readouterr().out

    assert "loss (h0)" in text
    assert "loss (h1)" in text
