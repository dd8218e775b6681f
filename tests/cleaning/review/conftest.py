"""What the tests of the review share: FiftyOne on a database of its own, prepared once a process, as it can be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from imageclinic.cleaning.review import session
from imageclinic.cleaning.review.database import mongod
from tests.helpers.prepared_fiftyone import prepare
from tests.helpers.review_run import make_run


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a review, in which FiftyOne was loaded."""
    before = dict(os.environ)
    run = make_run(tmp_path_factory.mktemp("first"))
    os.environ.pop("FIFTYONE_DATABASE_URI", None)
    with mongod.running(lambda line: None) as database:
        prepare(database.uri, tmp_path_factory.mktemp("plugins"), run, "ann")
        environment = dict(os.environ)
        restore(before)
        yield environment
        session.forget_database()


@pytest.fixture(scope="module")
def fiftyone(prepared: dict[str, str]) -> Iterator[Any]:
    """FiftyOne, with its environment for the tests of one module."""
    before = dict(os.environ)
    restore(prepared)
    import fiftyone

    yield fiftyone
    restore(before)


def restore(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
