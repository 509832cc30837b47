"""
Based: objects that are of our class and of a framework's.
"""

import abc
import copy
import pickle
import sys
import types

import pytest

from mllog.integrations.based import Based

THEIRS = types.ModuleType("theirs")


class Theirs(abc.ABC):
    """
    A framework's class.
    """

    def __init__(self):
        self.is_set_up = True

    @abc.abstractmethod
    def must(self):
        """
        What has to be there.
        """

    def may(self):
        return "theirs"


class Ours(Based):
    """
    A class that extends it.
    """

    @classmethod
    def base(cls):
        return sys.modules["theirs"].Theirs

    def __init__(self, value=None, *, option=0):
        super().__init__()
        self.value, self.option = value, option

    def must(self):
        return "ours"


class Further(Ours):
    """
    A user's class that extends ours.
    """

    def may(self):
        return f"not {super().may()}"


class Both(Ours, Theirs):
    """
    A user's class that extends both.
    """


@pytest.fixture(autouse=True)
def _theirs(monkeypatch):
    THEIRS.Theirs = Theirs
    monkeypatch.setitem(sys.modules, "theirs", THEIRS)


@pytest.mark.parametrize("kind", [Ours, Further, Both])
def test_object_is_of_both_classes_and_set_up_by_both(kind):
    """
    The framework takes it for its own, and so does whoever made it.
    """
    made = kind("a", option=2)

    assert isinstance(made, kind)
    assert isinstance(made, Theirs)
    assert (made.value, made.option, made.is_set_up) == ("a", 2, True)
    assert made.must() == "ours"
    assert type(made).__name__ == kind.__name__
    assert type(made).__doc__ == kind.__doc__
    assert type(kind("b")) is type(made)


def test_subclass_reaches_methods_of_the_framework():
    """
    super() goes through ours to theirs.
    """
    assert Ours().may() == "theirs"
    assert Further().may() == "not theirs"


@pytest.mark.parametrize("kind", [Ours, Further])
def test_object_that_is_copied_or_pickled_stays_what_it_is(kind, monkeypatch):
    """
    Frameworks send callbacks to other processes.
    """
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    made = kind("a", option=[1])

    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert type(again) is type(made)
        assert vars(again) == vars(made)


def test_object_without_the_framework_raises_its_import_error(monkeypatch):
    """
    The class is there, an object of it is not.
    """

    def base(cls):
        raise ImportError("theirs")

    monkeypatch.setattr(Ours, "base", classmethod(base))

    with pytest.raises(ImportError, match="theirs"):
        Ours()
