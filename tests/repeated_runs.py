"""A pytest plugin for `make mutants`, where one process runs the same tests many times."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeated", derandomize=True, database=None, suppress_health_check=[HealthCheck.differing_executors]
)
settings.load_profile("repeated")
