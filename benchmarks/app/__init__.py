"""The app, measured from outside: what leaves its terminal, what it takes of the machine."""

MODULES: tuple[str, ...] = (
    "benchmarks.app.deaths",
    "benchmarks.app.painting",
    "benchmarks.app.idling",
    "benchmarks.app.keys",
    "benchmarks.app.emulating",
)
