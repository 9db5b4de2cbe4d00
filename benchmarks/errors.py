"""What keeps the benchmarks from measuring."""


class BenchmarkError(Exception):
    """The measurement itself failed. A budget that does not hold is a result and no error."""
