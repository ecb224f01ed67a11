"""One door for arguments: whatever a number was written as changes no result, and what is no number is refused with its place."""

import contextlib
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import Bool, Float, Int, Real
from numpy import ndarray

import cortex_sim as cs
from cortex_sim.errors import CortexSimError, OptionError
from cortex_sim.runtime._arguments import _hints, checked, missing_allowed, positions
from cortex_sim.tasks._task import Task

ROOMS = Path(cs.__file__).parent


def handed_out() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every function of every room's stub."""
    for stub in sorted(ROOMS.rglob("__init__.pyi")):
        room = ".".join(("cortex_sim", *stub.relative_to(ROOMS).parts[:-1]))
        module = importlib.import_module(room)
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isfunction(found):
                yield f"{room}.{name}", found


FUNCTIONS = dict(handed_out())
SWITCHED: dict[str, tuple[Any, ...]] = {"int": ("2", None, 1.5, [1], 1j), "float": ("2", None, [1.0], 1j, float("nan")), "bool": ("yes", None, 2)}


def test_every_function_that_a_room_hands_out_checks_its_arguments() -> None:
    assert len(FUNCTIONS) > 300
    inner = [name for name, function in FUNCTIONS.items() if not hasattr(function, "__wrapped__")]
    assert not inner


@pytest.mark.parametrize("name", [name for name, function in FUNCTIONS.items() if any(h in (int, float, bool) for h in _hints(function).values())])
def test_numbers_of_another_kind_are_refused_in_our_words(name: str) -> None:
    function = FUNCTIONS[name]
    many = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = {name: part for name, part in inspect.signature(function).parameters.items() if part.kind not in many}
    needed = {name: None for name, part in parameters.items() if part.default is part.empty}
    for argument, hint in _hints(function).items():
        if hint in (int, float, bool) and argument in parameters:
            for wrong in SWITCHED[hint.__name__]:
                with pytest.raises(OptionError, match=rf"^{function.__name__}: \w+ "):
                    function(**(needed | {argument: wrong}))


def total(values: Float[ndarray, "condition time unit"], weights: Float[ndarray, " unit"] | None = None) -> float:
    return float((values * (1.0 if weights is None else weights)).sum())


def chosen(values: Float[ndarray, " unit"], mask: Bool[ndarray, " unit"], order: Int[ndarray, " place"]) -> float:
    return float(values[mask].sum() + values[order][0])


def gathered(sides: Sequence[Float[ndarray, "time unit"]], named: Mapping[str, Float[ndarray, " unit"]], span: tuple[float, float]) -> float:
    return sum(float(side.sum()) for side in sides) + sum(float(part[0]) for part in named.values()) + span[1] - span[0]


@missing_allowed("values")
def known(values: Float[ndarray, " unit"]) -> int:
    return int(np.isfinite(values).sum())


WHOLE = np.arange(24).reshape(2, 3, 4)


@pytest.mark.parametrize("dtype", ["u1", "i2", "<i8", ">i4", "f2", ">f4", "<f8", ">f8", "f16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_type_byte_order_and_order_in_memory_change_nothing(dtype: str, order: Any) -> None:
    given = np.array(WHOLE, dtype=dtype, order=order)
    assert checked(total)(given) == total(WHOLE.astype(float)) == checked(total)(WHOLE.tolist()) == checked(total)(given[::-1])


def test_what_arrives_is_in_rows_and_of_double_precision() -> None:
    seen: list[ndarray] = []

    def look(values: Float[ndarray, "a b"]) -> None:
        seen.append(values)

    checked(look)(np.asfortranarray(np.ones((3, 2), ">f4")))
    assert seen[0].dtype == np.float64 and seen[0].dtype.isnative and seen[0].flags.c_contiguous
    mine = np.ones((3, 2))
    checked(look)(mine)
    assert seen[1] is mine  # nothing is copied that is right already


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: checked(total)(np.where(WHOLE == 17, np.nan, WHOLE)), r"total: values is not finite, first at condition 1, time 1, unit 1; what is"),
        (lambda: checked(total)(np.where(WHOLE == 3, np.inf, WHOLE)), r"total: values is not finite, first at condition 0, time 0, unit 3; what is"),
        (lambda: checked(total)(np.ma.masked_equal(WHOLE, 5)), r"total: values has masked entries, the first at condition 0, time 1, unit 1; what"),
        (lambda: checked(total)(WHOLE[0]), r"total: values should be an array of numbers \(condition, time, unit\); it has 2 axes, \(3, 4\)\.$"),
        (lambda: checked(total)(WHOLE.astype(str)), r"total: values should be an array of numbers .* \(got an array of <U\d+, \(2, 3, 4\)\)\.$"),
        (lambda: checked(total)([[1], [2, 3]]), r"total: values should be an array of numbers .* \(got \[\[1\], \[2, 3\]\]\)\.$"),
        (lambda: checked(total)(WHOLE, "all"), r"total: weights should be an array of numbers \(unit\) or None \(got 'all'\)\.$"),
        (lambda: checked(total)(WHOLE, weight=1), r"total: got an unexpected keyword argument 'weight'; it takes values, weights\.$"),
        (lambda: checked(chosen)([1, 2], [0, 1], [0]), r"chosen: mask should be an array of True and False \(unit\) \(got \[0, 1\]\)\.$"),
        (lambda: checked(chosen)([1, 2], [True, False], [0.0]), r"chosen: order should be an array of whole numbers \(place\) \(got \[0\.0\]\)\.$"),
        (lambda: checked(gathered)([[[1.0]], [[np.nan]]], {}, (0, 1)), r"gathered: sides \[1\] is not finite, first at time 0, unit 0; what is"),
        (lambda: checked(gathered)([[[1.0]]], {"a": "b"}, (0, 1)), r"gathered: named \['a'\] should be an array of numbers \(unit\) \(got 'b'\)\.$"),
        (lambda: checked(gathered)([[[1.0]]], {}, (0, 1, 2)), r"gathered: span should be 2 values \(got \(0, 1, 2\)\)\.$"),
        (lambda: checked(gathered)("ab", {}, (0, 1)), r"gathered: sides should be a list \(got 'ab'\)\.$"),
    ],
)
def test_what_is_no_number_is_refused_with_its_place(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(OptionError, match=f"^{message}"):
        call()


def test_a_container_that_is_to_be_filled_is_the_callers_own() -> None:
    seconds: dict[str, float] = {}
    with cs.timed(seconds, "a stage"):
        pass
    assert seconds.keys() == {"a stage"}


def test_missing_numbers_pass_where_a_function_says_so() -> None:
    assert checked(known)([1.0, np.nan]) == 1


def test_a_figure_leaves_empty_what_is_missing_where_a_measure_refuses_it() -> None:
    table = np.array([[0.1, np.nan], [0.3, -0.2]])
    drawn = cs.figures.annotated(table, ["a", "b"], ["c", "d"], label="a number")
    assert [text.get_text() for text in drawn.axes[0].texts] == ["0.10", "0.30", "−0.20"]
    line = cs.figures.curves(np.arange(3.0), {"CV2": np.array([0.5, np.nan, 1.0])}, xlabel="unit", ylabel="CV2").axes[0].lines[0]
    assert np.isnan(line.get_ydata()).tolist() == [False, True, False]
    with pytest.raises(OptionError, match="is not finite, first at sample 0, unit 1"):
        cs.measures.procrustes_angle(table, table)


def test_a_whole_number_where_a_number_is_meant_is_that_number() -> None:
    seen: list[Any] = []

    def look(size: float, sizes: Sequence[float]) -> None:
        seen.extend([size, *sizes])

    checked(look)(2, [3, np.float32(0.5)])
    assert seen == [2.0, 3.0, 0.5] and all(type(number) is float for number in seen)


BAD: tuple[Any, ...] = (
    "abc", None, -1, 0, 1.5, float("nan"), float("inf"), -0.5, True, [], [[1], [1, 2]], {}, np.array([]), np.array(["a"]), object(), 1 + 2j, (),
    np.zeros((0, 2)), b"x", [float("nan")],
)  # fmt: skip
TASK = cs.tasks.centre_out(4)
NEEDED: dict[str, Any] = {
    "task": TASK, "units": 3, "amplitude": 1.0, "fraction": 0.3, "directions": np.ones((1, 3)), "start": 0.1, "duration": 0.02, "of": 3,
    "span": (0.1, 0.2), "dose": 1.0, "trials": 4, "periods": 2, "initial": np.ones((2, 3)), "states": np.ones((2, 3)), "time_constant": 0.2,
    "light": np.zeros(10), "rate": 0.0, "step": 1.0, "sine": 1.0, "period": 0.4, "inputs": np.ones((2, 5, 3)), "currents": np.ones(3),
}  # fmt: skip
MADE = {name: getattr(cs.tasks, name) for name in cs.tasks.known()} | {
    name: getattr(cs.perturb, name) for name in cs.perturb.__all__ if inspect.isfunction(getattr(cs.perturb, name))
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_tasks_and_perturbations_are_made_or_refused_whatever_they_are_given(name: str) -> None:
    function = MADE[name]
    parameters = inspect.signature(function).parameters
    given = {argument: NEEDED[argument] for argument, part in parameters.items() if part.default is part.empty}
    if "units" in given and name in ("inhibit", "light"):
        given["units"] = [0, 2]
    for argument in parameters:
        for wrong in BAD:
            with contextlib.suppress(CortexSimError):
                assert isinstance(function(**(given | {argument: wrong})), Task | ndarray)


def test_positions_are_positions_and_masks_are_masks() -> None:
    assert positions([2, 0], 3, "units").tolist() == [2, 0] == positions(np.array([2, 0], "u1"), 3, "units").tolist()
    assert positions([True, False, True], 3, "units").tolist() == [0, 2] and positions([], 3, "units").size == 0
    for wrong in ([True, False], [0.0, 1.0], "12", [[0]], None, [3], [-1]):
        with pytest.raises(OptionError, match=r"^units: (should be positions from 0 to 2, or 3 times True or False|position -?\d is not there)"):
            positions(wrong, 3, "units")


def test_where_real_numbers_are_asked_for_whole_ones_and_others_are_taken() -> None:
    def mean(values: Real[ndarray, " sample"]) -> float:
        return float(values.mean())

    assert checked(mean)(np.array([1, 2])) == checked(mean)(np.array([1.0, 2.0])) == 1.5
    with pytest.raises(OptionError, match="mean: values should be an array of numbers"):
        checked(mean)(np.array(["a"]))
