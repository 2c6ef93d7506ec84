"""ClockControl: what its rows hold."""

import numpy as np


def rows_of(found: list[dict[str, tuple[float, float, float]]]) -> list[dict]:
    """Means over recordings of `stats.clock.clock_checks`, a row a check.

    >>> rows_of([{"zero input": (0.0, 0.0, 0.1)}, {"zero input": (0.1, 0.0, 0.1)}])
    [{'check': 'zero input', 'value': 0.05, 'expected': 0.0, 'tolerance': 0.1, 'passed': True}]
    """
    rows = []
    for check in found[0]:
        value, expected, tolerance = np.array([one[check] for one in found]).mean(axis=0).tolist()
        judged = not np.isnan([value, expected, tolerance]).any()
        passed = abs(value - expected) <= tolerance if judged else None
        rows.append({"check": check, "value": value, "expected": expected, "tolerance": tolerance, "passed": passed})
    return rows
