"""
The numbers of a message as fields.
"""

from __future__ import annotations

import pytest

from mllog.migrate import MigrationOptions, convert


def fields(statement):
    """
    What ``extra=`` holds, as it is written, and the notes.
    """
    made = convert(f"{statement}\n", MigrationOptions(metrics=True))
    _, _, extra = made.text.strip().partition(", extra=")
    return extra.removesuffix(")"), [each.reason for each in made.notes]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            'print(f"epoch {epoch} loss {loss:.4f} acc {acc}")',
            '{"step": epoch, "metrics": {"loss": loss, "acc": acc}}',
        ),
        (
            'print("epoch", e + 1, "loss", loss)',
            '{"step": e + 1, "metrics": {"loss": loss}}',
        ),
        (
            'print(f"Epoch [{epoch+1}/{n}], Step [{i+1}/{t}], Loss: {l:.4f}")',
            '{"step": i+1, "epoch": epoch+1, "metrics": {"loss": l}}',
        ),
        (
            'print("Train Loss: %.3f | Val Acc: %.2f%%" % (a, b))',
            '{"metrics": {"train_loss": a, "val_acc": b}}',
        ),
        (
            'print("train/loss={:.3f} (lr {:.1e})".format(a, b))',
            '{"metrics": {"train/loss": a, "lr": b}}',
        ),
        (
            "print(f\"{loss:.3f} {self.val_loss:.3f} {m['f1']:.2f}\")",
            '{"metrics": {"loss": loss, "val_loss": self.val_loss,'
            " \"f1\": m['f1']}}",
        ),
        (
            'print(f"loss {loss.item():.4f}")',
            '{"metrics": {"loss": loss.item()}}',
        ),
        (
            'print(f"inference latency: {dt * 1000:.1f} ms")',
            '{"inference_latency": dt}',
        ),
        (
            'print(f"latency {latency_ms:.1f}")',
            '{"inference_latency": latency_ms / 1000}',
        ),
        (
            'print(f"request time {b - a:.1f}ms")',
            '{"request_latency": (b - a) / 1000}',
        ),
        ('print(f"ttft {x:.3f}s")', '{"time_to_first_token": x}'),
        ('print(f"model {name} saved to {path}")', ""),
        ('print(f"epoch {epoch}")', ""),
        ('print(f"{loss!r} {x:>8}")', ""),
        ('print(f"acc {right}/{total}")', ""),
        ('print("found", len(x), "files")', ""),
        (
            'print(f"name {name:.3f}")',
            '{"metrics": {"name": name}}',
        ),
    ],
)
def test_names_and_steps_become_fields(statement, expected):
    """
    A name is the text before the value, or the variable's; latencies are
    seconds, in the fields that meters know.
    """
    assert expected == fields(statement)[0]


@pytest.mark.parametrize(
    ("statement", "note"),
    [
        (
            'print(f"loss {f():.3f}")',
            "loss is not measured: it would be evaluated twice",
        ),
        (
            'print(f"loss {(x := y):.3f}")',
            "loss is not measured: it would be evaluated twice",
        ),
        ('print(f"{a / b:.3f}")', "a number is not measured: it has no name"),
    ],
)
def test_number_that_is_no_field_is_noted(statement, note):
    """
    The message is converted all the same.
    """
    assert ("", [note]) == fields(statement)
