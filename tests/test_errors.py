"""Errors: each is the package's own and a builtin, and says what was written and no more."""

import pytest

from cortex_sim import errors


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.CardError, ValueError), (errors.TrialsError, ValueError), (errors.TaskError, ValueError), (errors.ComparisonError, ValueError),
        (errors.Undetermined, ValueError), (errors.OptionError, ValueError), (errors.NotFound, LookupError), (errors.FileProblem, OSError),
    ],
)  # fmt: skip
def test_each_error_is_the_builtin_a_caller_expects_and_repeats_its_message_unquoted(kind: type[Exception], builtin: type[Exception]) -> None:
    with pytest.raises(builtin, match="^card.toml: 'x' is wrong$") as caught:
        raise kind("card.toml: 'x' is wrong")
    assert isinstance(caught.value, errors.CortexSimError)
    assert str(kind("one", "two")) == "one two"  # an OSError alone would say [Errno one]


@pytest.mark.parametrize(
    ("found", "options", "said"),
    [
        ("gausian", ["diagonal", "gaussian"], "Did you mean 'gaussian'?"),
        ("zebra", ["b", "a"], "Choose from a, b."),
        ("zebra", [], "There is nothing to choose from."),
        ("taus", iter(["tau", "r_0"]), "Did you mean 'tau'?"),
    ],
)
def test_a_suggestion_is_the_close_name_else_all_names_in_order(found: str, options: list[str], said: str) -> None:
    assert errors.suggestion(found, options) == said
