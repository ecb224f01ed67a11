"""Rigs from files: what is written is what is done, and what cannot be is refused with the file's name."""

from pathlib import Path

import numpy as np
import pytest

from cortex_sim.comparison import read_rig
from cortex_sim.errors import CortexSimError

GIVEN = {"sites": "2", "current": "50", "start": "0.05", "stop": "0.07", "until": "0.3", "trials": "120"}
AREAS = ["M1", "PMd", "M1", "M1"]


def written(folder: Path, **changes: str | None) -> Path:
    path = folder / "rig.toml"
    lines = {name: value for name, value in (GIVEN | changes).items() if value is not None}
    path.write_text("\n".join(f"{name} = {value}" for name, value in lines.items()))
    return path


def test_a_rig_does_what_its_file_says(tmp_path: Path) -> None:
    rig = read_rig(written(tmp_path, population='"M1"', sign='"excite"'), AREAS)
    np.testing.assert_array_equal(rig.high, [50, 0, 50, 50])
    assert not rig.low.any() and (rig.sites, rig.span, rig.until, rig.trials) == (2, (0.05, 0.07), 0.3, 120)
    np.testing.assert_array_equal(read_rig(written(tmp_path), AREAS).low, np.full(4, -50.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"site": "3"}, r"site is unknown\. Did you mean 'sites'\?"), ({"sites": "2.5"}, r"sites = 2\.5 should be a whole number"),
        ({"current": '"x"'}, "current = 'x' should be a finite number"), ({"until": None}, "until = None should be a finite number"),
        ({"current": "nan"}, "current = nan should be a finite number"),
        ({"population": '"M2"'}, r"no unit is of population 'M2'\. Choose from M1, PMd"),
        ({"sites": "5"}, "rig: sites 5 should be 1 to 4"), ({"until": "0.06"}, r"rig: trials 120 should be at least 1; span \(0\.05, 0\.07\) s"),
        ({"sign": '"up"'}, "rig: sign 'up' should be one of both"), ({"sign": "1"}, "sign = 1 should be a text"), ({"trials": "["}, "is no TOML"),
    ],
)  # fmt: skip
def test_a_rig_that_cannot_be_is_refused_with_the_name_of_its_file(tmp_path: Path, changes: dict[str, str | None], message: str) -> None:
    with pytest.raises(CortexSimError, match=rf"rig\.toml: {message}"):
        read_rig(written(tmp_path, **changes), AREAS)


def test_a_rig_that_is_not_there_is_missed(tmp_path: Path) -> None:
    with pytest.raises(CortexSimError, match=r"none\.toml: there is no such file; a rig is a TOML file with sites = 8"):
        read_rig(tmp_path / "none.toml", AREAS)
