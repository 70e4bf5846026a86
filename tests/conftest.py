"""What holds for all tests."""

from hypothesis import settings

# A law is true or not, however long it takes: timing belongs in benchmarks.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
