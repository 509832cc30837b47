"""
A JSON line with six fields into the rotating file, beside its peers.
"""

from __future__ import annotations

import glob
import logging
import logging.handlers
import os
from collections.abc import Callable, Generator
from typing import Any

from . import child
from .application import (
    PJL,
    FIELDS,
    LOGGER,
    MESSAGE,
    call_on,
    call_through,
    tune,
)
from .measure import (
    Effort,
    Variant,
    installed,
    interleaved,
    middle,
    ratios,
)
from .table import Budget, Table

__all__ = ["run", "timed"]

Call = Callable[[float], None]

# Large enough that nothing rotates, so that what is timed is the asking.
_LARGE = 1 << 30


class Floor(logging.Handler):
    """
    The least that gives this line: named fields, orjson, one write.
    """

    def __init__(self, path: str) -> None:
        from orjson import OPT_APPEND_NEWLINE, dumps

        super().__init__()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._fd = os.open(path, flags, 0o666)
        self._dumps, self._option = dumps, OPT_APPEND_NEWLINE

    def emit(self, record: Any) -> None:
        """
        Write the ten values by name; no fault is handled.
        """
        line = {
            "ts": record.created,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "inference_latency": record.inference_latency,
            "model_name": record.model_name,
            "model_version": record.model_version,
            "request_id": record.request_id,
            "batch_size": record.batch_size,
            "confidence": record.confidence,
        }
        os.write(self._fd, self._dumps(line, None, self._option))


def _null(path: str) -> Call:
    return call_through(logging.NullHandler())


def _floor(path: str) -> Call:
    return call_through(Floor(path))


def _mllog(path: str) -> Call:
    from mllog import JSONFormatter, TimestampedRotatingFileHandler

    handler = TimestampedRotatingFileHandler(path, maxBytes=_LARGE)
    handler.setFormatter(JSONFormatter())
    return call_through(handler)


def _rotating(path: str, formatter: logging.Formatter) -> Call:
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=_LARGE)
    handler.setFormatter(formatter)
    return call_through(handler)


def _pjl_orjson(path: str) -> Call:
    from pythonjsonlogger.orjson import OrjsonFormatter

    return _rotating(path, OrjsonFormatter(PJL))


def _pjl_json(path: str) -> Call:
    from pythonjsonlogger.json import JsonFormatter

    return _rotating(path, JsonFormatter(PJL))


def _concurrent(path: str) -> Call:
    from concurrent_log_handler import ConcurrentRotatingFileHandler
    from pythonjsonlogger.orjson import OrjsonFormatter

    handler = ConcurrentRotatingFileHandler(path, maxBytes=_LARGE)
    handler.setFormatter(OrjsonFormatter(PJL))
    return call_through(handler)


def _structlog(path: str) -> Call:
    import orjson
    import structlog

    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(file=open(path, "ab")),
    )
    return _with_keywords(structlog.get_logger().info)


def _loguru(path: str) -> Call:
    from loguru import logger

    logger.remove()
    logger.add(path, serialize=True, rotation=_LARGE)
    return _with_keywords(logger.info)


def _with_keywords(info: Callable[..., Any]) -> Call:
    """
    The application's call for loggers that take fields as keywords.
    """

    def call(latency: float) -> None:
        info(
            MESSAGE,
            inference_latency=latency,
            model_name="resnet50",
            model_version=3,
            request_id="6a7c02df-bbaa-39a9-a8b2-b80aa3e846d3",
            batch_size=8,
            confidence=0.98,
        )

    return call


def _picologging(path: str) -> Call:
    import orjson
    import picologging
    import picologging.handlers

    class Formatter(picologging.Formatter):
        def format(self, record: Any) -> str:
            line = {
                "ts": record.created,
                "level": record.levelname,
                "logger": record.name,
                "message": record.getMessage(),
            }
            return orjson.dumps(line).decode()

    handler = picologging.handlers.RotatingFileHandler(path, maxBytes=_LARGE)
    handler.setFormatter(Formatter())
    logger = picologging.getLogger(LOGGER)
    logger.setLevel(picologging.INFO)
    logger.addHandler(handler)
    return call_on(logger)


def _tuned(make: Callable[[str], Call]) -> Callable[[str], Call]:
    def made(path: str) -> Call:
        tune()
        return make(path)

    return made


VARIANTS = {
    "null": Variant("NullHandler (writes nothing)", _null),
    "floor": Variant("**floor**: named fields, orjson, os.write", _floor),
    "mllog": Variant("**mllog** rotating file + JSONFormatter", _mllog),
    "structlog": Variant(
        "structlog + orjson, BytesLogger (no rotation, no record)",
        _structlog,
        "structlog",
    ),
    "pjl": Variant(
        "RotatingFileHandler + python-json-logger (orjson)", _pjl_orjson
    ),
    "pjl_json": Variant(
        "RotatingFileHandler + python-json-logger (json)", _pjl_json
    ),
    "concurrent": Variant(
        "concurrent-log-handler + python-json-logger (orjson)",
        _concurrent,
        "concurrent_log_handler",
    ),
    "loguru": Variant("loguru, serialize=True, rotation", _loguru, "loguru"),
    "picologging": Variant(
        "picologging RotatingFileHandler + orjson (drops `extra`)",
        _picologging,
        "picologging",
    ),
    "null_tuned": Variant("NullHandler, tuned", _tuned(_null)),
    "floor_tuned": Variant("floor, tuned", _tuned(_floor)),
    "mllog_tuned": Variant("**mllog**, tuned", _tuned(_mllog)),
}
_TUNED = ("null_tuned", "floor_tuned", "mllog_tuned", "structlog")


def timed(name: str, folder: str) -> Generator[Any, int, None]:
    """
    What each child process does.
    """
    call = VARIANTS[name].make(os.path.join(folder, "app.log"))
    return child.turns(call)


class Lines:
    """
    What the variants wrote: how long, how complete, how many.
    """

    def __init__(self) -> None:
        self.sizes: dict[str, str] = {}
        self.fields: dict[str, str] = {}
        self.lost: dict[str, int] = {}

    def look(self, name: str, folder: str, calls: int) -> None:
        """
        Count the lines of one round.
        """
        paths = glob.glob(os.path.join(folder, "app*log*"))
        if not paths:
            return
        lines = [line for path in paths for line in open(path, "rb")]
        self.lost[name] = self.lost.get(name, 0) + calls - len(lines)
        self.sizes[name] = f"{sum(map(len, lines)) / len(lines):.0f}"
        found = sum(b'"%s"' % key.encode() in lines[0] for key in FIELDS)
        self.fields[name] = f"{found} of {len(FIELDS)}"

    def cells(self, name: str) -> list[str]:
        """
        Bytes per line, fields, lost.
        """
        return [
            self.sizes.get(name, "–"),
            self.fields.get(name, "–"),
            str(self.lost.get(name, "–")),
        ]


def run(effort: Effort) -> list[Table]:
    """
    Two tables of one run: as logging comes, and with its switches off.
    """
    names, missing = installed(VARIANTS)
    lines = Lines()
    results = interleaved(
        f"{__name__}:timed",
        names,
        rounds=effort.rounds,
        turns=effort.of(10, 4),
        calls=effort.of(2000, 800),
        look=lines.look,
    )
    plain = [name for name in names if not name.endswith("_tuned")]
    tuned = [name for name in _TUNED if name in names]
    return [
        Table(
            "JSON line to the rotating file, six fields, whole call",
            _columns("floor"),
            [_row(results, name, "floor", lines) for name in plain],
            _budgets(results),
            missing,
        ),
        Table(
            "The same with logging's switches off (stdlib tuned)",
            _columns("tuned floor"),
            [_row(results, name, "floor_tuned", lines) for name in tuned],
            _tuned_budgets(results),
            [note for note in missing if "structlog" in note],
        ),
    ]


def _columns(floor: str) -> list[str]:
    return [
        "variant",
        "µs/call",
        f"× {floor}",
        "range",
        "p50 µs",
        "p99 µs",
        "bytes/line",
        "fields",
        "lost",
    ]


def _row(results: Any, name: str, floor: str, lines: Lines) -> list[str]:
    timing = middle(results[name])
    spread = ratios(results, name, floor)
    return [
        VARIANTS[name].label,
        f"{timing.mean:.2f}",
        f"{spread.median:.2f}",
        spread.range,
        f"{timing.p50:.2f}",
        f"{timing.p99:.2f}",
        *lines.cells(name),
    ]


def _budgets(results: Any) -> list[Budget]:
    return [
        Budget(
            "mllog over the floor (aim: 1.1)",
            ratios(results, "mllog", "floor").median,
            1.2,
        ),
        Budget(
            "python-json-logger (orjson) in RotatingFileHandler over mllog",
            ratios(results, "pjl", "mllog").median,
            2.7,
            at_least=True,
        ),
    ]


def _tuned_budgets(results: Any) -> list[Budget]:
    if "structlog" not in results:
        return []
    return [
        Budget(
            "mllog, tuned, over structlog + orjson",
            ratios(results, "mllog_tuned", "structlog").median,
            1.1,
        )
    ]
