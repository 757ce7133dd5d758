"""Whether the statistics keep their promises, by simulation: ``python -m benchmarks.calibration``."""
