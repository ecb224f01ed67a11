"""The runner of deliberate faults: caught is what fails a test, and nothing else."""

from pathlib import Path

import pytest

from tests.faults import FAULTS
from tests.mutants import BROKEN, CAUGHT, ENDLESS, ROOT, SURVIVED, check_sound, outcome

KEYS = next(fault for fault in FAULTS if fault.name == "keys blind to the shape")
TESTS = KEYS.tests.split()


@pytest.mark.long
def test_only_a_test_that_fails_catches_a_fault() -> None:
    assert outcome(None, TESTS, ROOT) == SURVIVED
    assert outcome(KEYS, TESTS, ROOT) == CAUGHT
    assert outcome(KEYS._replace(wrong="("), TESTS, ROOT) == BROKEN
    assert outcome(KEYS, TESTS, ROOT, limit=0.5) == ENDLESS
    assert outcome(KEYS._replace(wrong=KEYS.right + "  # a remark\n"), TESTS, ROOT) == SURVIVED


def test_faults_are_not_tried_where_tests_fail_without_one(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "cortex_sim").mkdir()
    (tmp_path / "tests/test_keys.py").write_text("def test_nothing() -> None:\n    assert False\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"Without a fault the tests fail too \(caught\)"):
        check_sound([KEYS._replace(tests="tests/test_keys.py")], tmp_path)
