# SPDX-License-Identifier: BSD-3-Clause
"""The table of faults in docs/reliability.md names tests that exist, and every test of a fault is named there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/reliability.md").read_text()
TABLE = PAGE[PAGE.index("## Faults") : PAGE.index("What is not promised")]
ROWS = [line.strip("|").split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][1:]
TESTS = {
    name: path.name
    for path in sorted((ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip())
def test_every_row_of_the_table_names_tests_that_exist(row):
    assert len(row) == 3 and all(cell.strip() for cell in row)
    named = re.findall(r"`(test_\w+)`", row[2])
    assert named
    for name in named:
        assert name in TESTS, f"{name} does not exist"


def test_every_test_of_a_fault_is_in_the_table_or_beside_one_that_is():
    """A new test in the files of faults belongs to a row; these few only say more about their neighbour's."""
    beside = {
        "test_a_checkpoint_of_parameters_of_other_shapes_is_a_value_error",
        "test_a_file_may_be_named_by_text_bytes_or_path",
        "test_a_file_named_by_anything_else_is_a_type_error",
        "test_a_number_of_any_library_serves_as_a_parameter",
        "test_a_subclass_with_another_constructor_serves_everywhere",
        "test_a_bound_call_is_only_made_by_bind",
        "test_an_overlap_that_numpy_gives_up_on_counts_as_one",
        "test_the_numerical_gradient_refuses_what_it_cannot_judge",
        "test_missing_memory_in_a_number_of_another_library_goes_through",
        "test_states_without_what_the_optimizer_keeps_are_refused_or_empty",
    }
    missing = {
        name
        for name, file in TESTS.items()
        if file.startswith("test_faults_") and f"`{name}`" not in TABLE and name not in beside
    }
    assert not missing


LISTED = """NaN; -inf; subnormal; floating-point mode; labels out of range; ignore_index; empty batch; no classes;
misaligned; strided; strides of 0; byte-swapped; read-only; object; masked; structured; over an input; 2^31;
allocation; Ctrl-C; fork; PyTorch; scikit-learn; many threads; killed; resized; zip bomb; pickle; weights;
very long sums; kernel set"""


@pytest.mark.parametrize("fault", re.split(r";\s+", LISTED))
def test_the_page_speaks_of_every_kind_of_fault(fault):
    assert any(fault in row[0] for row in ROWS)
