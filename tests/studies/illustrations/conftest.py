"""Quick runs, each made once."""

from functools import cache

import pytest

from contractive.studies.illustrations import TOPICS


@pytest.fixture(scope="session")
def quick():
    return cache(lambda name: TOPICS[name].run(quick=True, seed=0))
