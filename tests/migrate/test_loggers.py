"""
The logger that records go to, and where its lines are put.
"""

from __future__ import annotations

import pytest

from mllog.migrate import convert

HEAD = "import logging\n\nlogger = logging.getLogger(__name__)\n\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("print(1)\n", f"{HEAD}@"),
        ("def f(): print(1)\n", f"{HEAD}\ndef f(): @"),
        ('"""Doc."""\nprint(1)\n', f'"""Doc."""\n\n{HEAD}@'),
        (
            "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n\nprint(1)\n",
            f"#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n\n{HEAD}@",
        ),
        (
            '"""Doc."""\nfrom __future__ import annotations\n\nprint(1)\n',
            '"""Doc."""\nfrom __future__ import annotations\n\n' + HEAD + "@",
        ),
        (
            "import json\nimport os\nfrom re import compile\n\nx = 1\nprint(1)\n",
            "import json\nimport logging\nimport os\nfrom re import compile\n\n"
            "logger = logging.getLogger(__name__)\n\nx = 1\n@",
        ),
        (
            "import numpy as np\n\nprint(1)\n",
            "import logging\n\nimport numpy as np\n\n"
            "logger = logging.getLogger(__name__)\n\n@",
        ),
        (
            "import json\n\nimport numpy\ntry:\n    import cupy\n"
            "except ImportError:\n    cupy = None\n\n\ndef f(): print(1)\n",
            "import json\nimport logging\n\nimport numpy\ntry:\n"
            "    import cupy\nexcept ImportError:\n    cupy = None\n\n"
            "logger = logging.getLogger(__name__)\n\n\ndef f(): @",
        ),
        (
            "import os\nprint(1)\nimport sys\n",
            "import logging\nimport os\n\n"
            "logger = logging.getLogger(__name__)\n\n@import sys\n",
        ),
    ],
)
def test_new_logger_follows_the_imports(before, after):
    """
    The import is among its like, the logger before the first record.
    """
    call = 'logger.info("%s", 1)\n'

    assert after.replace("@", call) == convert(before).text


@pytest.mark.parametrize(
    "head",
    [
        "import logging\nlogger = logging.getLogger(__name__)\n",
        "import logging\nlogger: logging.Logger = logging.getLogger('x')\n",
        "import logging as l\nlogger = l.getLogger()\n",
        "from logging import getLogger\nlogger = getLogger('app')\n",
    ],
)
def test_logger_of_the_module_is_used(head):
    """
    Nothing is added if there is one.
    """
    made = convert(f"{head}def f(): print(1)\n")

    assert f'{head}def f(): logger.info("%s", 1)\n' == made.text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("def f(logger): print(1)\n", "log"),
        ("from loguru import logger\nprint(1)\n", "log"),
        ("from utils import *\nlogger.info('x')\nprint(1)\n", "log"),
        ("import logging\nprint(1)\nlogger = logging.getLogger()\n", "log"),
        ("log = 1\nclass A:\n    logger = 2\n    print(1)\n", "_logger"),
        ("def f(logger): pass\nprint(1)\n", "logger"),
        ("def f():\n    global logger\nprint(1)\n", "log"),
    ],
)
def test_name_that_is_taken_is_not_taken_again(text, name):
    """
    The logger has the first name that means nothing yet.
    """
    made = convert(text)

    assert f"\n{name} = logging.getLogger(__name__)\n" in made.text
    assert f'{name}.info("%s", 1)' in made.text


@pytest.mark.parametrize(
    ("text", "factory"),
    [
        ("from absl import logging\nprint(1)\n", "getLogger"),
        ("import logging as x\nprint(1)\n", "x.getLogger"),
        ("import logging.config\nprint(1)\n", "logging.getLogger"),
        ("from logging import getLogger\nprint(1)\n", "getLogger"),
    ],
)
def test_import_that_is_there_is_used(text, factory):
    """
    Whatever the package is called in the file; another's stays another's.
    """
    made = convert(text)

    assert f"\nlogger = {factory}(__name__)\n" in made.text


def test_no_free_name_leaves_the_file():
    """
    Which does not happen, and is listed if it does.
    """
    names = "logger = log = _logger = _log = module_logger = 1\n"

    made = convert(f"{names}print(1)\n")

    assert ["no name is free for a logger"] == [e.reason for e in made.left]
    assert f"{names}print(1)\n" == made.text
