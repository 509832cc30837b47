"""
Records without secrets: by the names of fields, and by how secrets look.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from .. import options
from ..context import copied
from ..fields import layout_of
from ..reports import Reports
from .failures import Failures
from .keys import Keys, Verdict
from .messages import Messages
from .patterns import patterns_from
from .record_filter import STDLIB_TAKES_RECORDS, RecordFilter
from .texts import Texts
from .walk import LEAST_CARD, Walk

__all__ = ["RedactingFilter"]

_PLAIN: Final = frozenset((float, bool, type(None)))
_MOST_LAYOUTS: Final = 1000


class RedactingFilter(RecordFilter):
    """
    Take passwords, tokens, addresses and numbers of cards out of records.

    A value is redacted where its name says that it is a secret: the name of
    a field, the key of a mapping at any depth, the first of a pair such as a
    header, an option of a command line, the word before ``=`` or ``:`` in a
    text, or before a ``%s``.  Names are compared without regard to case,
    ``-``, ``_`` and ``.``, and a part is enough: ``api_key`` finds
    ``X-Api-Key``.  Names that count or measure (``inter_token_latency``)
    keep their numbers.  A key of a mapping and the name of a field can be a
    secret too; two that became the same are numbered.  Everything else is
    searched by patterns.  Fields, message, arguments, exceptions with their
    tracebacks, and stacks are looked at.

    Guarantee:
        On a handler of mllog the record that comes out is a new one; neither
        the old record nor an object of the application is changed.  What is
        beyond *max_depth* or *max_items*, or cannot be looked at, is
        replaced, never passed on unseen.  No value makes it raise.  The time
        is in proportion to the text.

    Limit:
        A secret that neither its name nor its look gives away passes:
        ``"the password hunter2"`` does.  Payloads, arrays of numbers and
        tables are not looked into, nor lists of numbers with more than 64,
        nor more than 8 KiB of bytes.  None, bools and floats are never
        redacted, nor are known fields (``input_tokens``) by their name.  On a
        handler of others before Python 3.12 the values are replaced on the
        record itself, which every later handler sees; this is said once, on
        standard error.  Local variables are not on a record: RichHandler asks
        this filter for what it may show of them, handlers of others do not.

    Args:
        keys: Further parts of names whose values are secret.

        builtin_keys: Whether :data:`mllog.filters.keys.PARTS` are, too.

        patterns: Regular expressions for further secrets in text: a list, or
            a mapping by name.  Of a group named ``secret`` only that group is
            replaced.

        builtin_patterns: Which of ``private_key``, ``url_userinfo``,
            ``bearer``, ``jwt``, ``aws_key``, ``service_key``, ``webhook``,
            ``login``, ``email`` and ``credit_card`` are looked for; None is
            all of them, ``[]`` is none.

        allow: Fields and keys, exactly as they are written, whose values are
            never touched.

        replacement: What stands for a secret.

        max_depth: Levels of nesting that are looked at.

        max_items: Values of one record that are looked at.

    Raises:
        ConfigError: An option has a value that cannot work.
    """

    @options.checked
    def __init__(
        self,
        keys: Any = (),
        *,
        builtin_keys: bool | str = True,
        patterns: Any = None,
        builtin_patterns: Any = None,
        allow: Any = (),
        replacement: str = "[redacted]",
        max_depth: int | str = 10,
        max_items: int | str = 2000,
    ) -> None:
        super().__init__()
        self._replacement = options.text("replacement", replacement)
        self._depth = options.integer("max_depth", max_depth, minimum=1)
        self._items = options.integer("max_items", max_items, minimum=1)
        self._allowed = frozenset(options.names("allow", allow))
        self._keys = Keys(
            options.names("keys", keys),
            builtin=options.boolean("builtin_keys", builtin_keys),
            allowed=tuple(self._allowed),
        )
        found = patterns_from(builtin_patterns, patterns)
        self._finds_cards = any(each.name == "credit_card" for each in found)
        self._texts = Texts(self._keys, found, self._replacement)
        self._messages = Messages(self._keys, self._texts, self._replacement)
        self._failures = Failures(self._texts)
        # the sets of fields whose names are no secrets themselves
        self._plain: set[tuple[Any, ...]] = set()
        self._reports = Reports(self._label)
        self._has_said = False

    def apply(self, record: logging.LogRecord) -> logging.LogRecord:
        """
        *record* itself if it has no secret, else a new one.
        """
        changes, renamed = self._changes(record)
        if not (changes or renamed):
            return record
        new = copied(record, changes)
        for name in renamed:
            del new.__dict__[name]
        return new

    def filter(  # type: ignore[override]
        self, record: logging.LogRecord
    ) -> bool | logging.LogRecord:
        """
        What the stdlib calls: the new record.

        Before Python 3.12 the stdlib cannot take a record, and the values are
        replaced on the one it has.
        """
        if STDLIB_TAKES_RECORDS:
            return super().filter(record)
        if logging.Filter.filter(self, record):
            new = self.apply(record)
            if new is not record:
                record.__dict__ = new.__dict__
                self._say_so()
        return True

    def shown(self, name: str, text: str) -> str:
        """
        *text*, which says the value of *name*, without its secrets.
        """
        if name in self._allowed:
            return text
        return self._texts.value(self._keys.of(name), text)

    def _say_so(self) -> None:
        if self._has_said:
            return
        self._has_said = True
        self._reports.say(
            "redacts the record itself, so that later handlers see it"
            " redacted: before Python 3.12 a handler that is not of mllog"
            " takes no new one"
        )

    def _changes(
        self, record: logging.LogRecord
    ) -> tuple[dict[str, Any], list[Any]]:
        """
        What becomes of attributes of *record*, and which have another name.
        """
        own = record.__dict__
        walk = self._walk()
        changes: dict[str, Any] = {}
        names = layout_of(own).names
        known, clean = self._keys.known, self._texts.clean
        for name in names:
            value = own[name]
            kind = type(value)
            if kind in _PLAIN:
                continue
            if known.get(name) is Verdict.PLAIN and (
                value in clean
                if kind is str
                else kind is int and value < LEAST_CARD
            ):  # most values are, and were before
                continue
            new = walk.named(name, value)
            if new is not value:
                changes[name] = new
        renamed: list[Any] = []
        if names not in self._plain:
            renamed = self._rename(names, own, changes, walk)
        try:
            changes.update(self._messages.changes(record, walk))
        except Exception:  # nothing is known of it, so nothing is said
            changes.update(msg=self._replacement, args=())
        if record.exc_info or record.exc_text or record.stack_info:
            changes.update(self._failures.changes(record))
        if "message" in own:  # an earlier formatter left it
            clean = walk.value(own["message"])
            if clean is not own["message"]:
                changes["message"] = clean
        return changes, renamed

    def _rename(
        self,
        names: tuple[Any, ...],
        own: dict[str, Any],
        changes: dict[str, Any],
        walk: Walk,
    ) -> list[Any]:
        """
        Give fields whose name is a secret another one; which those are.
        """
        new_names = walk.renamed(dict.fromkeys(names))
        for old, new in new_names.items():
            changes[new] = changes.pop(old, own[old])
        if not new_names and len(self._plain) < _MOST_LAYOUTS:
            self._plain.add(names)
        return list(new_names)

    def _walk(self) -> Walk:
        return Walk(
            self._keys,
            self._texts,
            finds_cards=self._finds_cards,
            replacement=self._replacement,
            depth=self._depth,
            nodes=self._items,
        )

    def _label(self) -> str:
        return type(self).__name__
