"""How many threads BLAS takes (`core.processes.blas_threads`)."""

from __future__ import annotations

import pytest
from threadpoolctl import ThreadpoolController

from imageclinic.core.processes import blas_threads


def threads() -> set[int]:
    return {each["num_threads"] for each in ThreadpoolController().select(user_api="blas").info()}


@pytest.mark.parametrize(("rows", "most"), [(1, 1), (blas_threads.FEW, 1), (blas_threads.FEW + 1, 2)])
def test_few_rows_take_one_thread_and_many_take_what_there_is(rows: int, most: int) -> None:
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        before = threads()
        assert before, "NumPy has a BLAS"
        with blas_threads.for_rows(rows):
            assert max(threads()) == min(most, max(before))
        assert threads() == before
