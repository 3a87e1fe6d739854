"""The players' test bench: real players behind a proxy that delays, throttles and fails, one JSON object a run."""
