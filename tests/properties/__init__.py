"""What must hold for any input, tried with inputs that hypothesis makes up: the same each time."""

from hypothesis import HealthCheck, settings


def repeatable(examples: int, steps: int = 50) -> settings:
    """Settings for a property: the same examples in every run, no clock involved."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
