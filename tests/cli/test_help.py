"""
``mllog … --help``, of every command.
"""

import pytest

from mllog import cli

NAMES = [
    each.__name__.rpartition(".")[2].replace("_", "-")
    for each in cli._COMMANDS
]


@pytest.mark.parametrize("name", NAMES)
def test_help_of_a_command_is_written(name, capsys):
    """
    It ends with 0, and says how the command is used.
    """
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])

    assert 0 == ended.value.code
    assert capsys.readouterr().out.startswith(f"usage: mllog {name} ")
