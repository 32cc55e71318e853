"""The parts of bench/run and bench/memory: standard library only."""
