"""
Programs whose prints become records.
"""

from __future__ import annotations

from mllog.migration import Options, convert

EPOCH = 'print(f"epoch {epoch} loss {loss:.4f} acc {acc}")\n'


def test_metrics_of_an_epoch_become_fields():
    """
    The epoch is the step; loss and accuracy are metrics.
    """
    made = convert(EPOCH, Options(metrics=True))

    assert made.text.splitlines()[-1] == (
        'logger.info("epoch %s loss %.4f acc %s", epoch, loss, acc,'
        ' extra={"step": epoch, "metrics": {"loss": loss, "acc": acc}})'
    )


def test_conversion_of_a_converted_program_changes_nothing():
    """
    The second time there is nothing to do.
    """
    once = convert(EPOCH).text

    again = convert(once)

    assert (once, 0) == (again.text, again.converted)
