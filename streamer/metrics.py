"""What a process counts of itself, for Prometheus; docs/operations.md says what each figure tells."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

HELD_SECONDS = (0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 7)  # pacing.hold_seconds is 7 at most
LISTED_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 6, 8, 10, 15, 30, 60)
STORE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The figures of one process. No label holds what a viewer could choose: there are only so many series."""

    def __init__(self) -> None:
        self.registry = found = CollectorRegistry()
        ProcessCollector(registry=found)
        GCCollector(registry=found)
        self.sessions_opened = Counter("branchline_sessions_opened", "Sessions opened.", registry=found)
        self.sessions = Gauge("branchline_sessions", "Sessions in memory.", registry=found)
        self.event_streams = Gauge("branchline_event_streams", "Open event streams.", registry=found)
        self.polls = Counter("branchline_polls", "Media Playlists asked for.", registry=found)
        self.held = Histogram(
            "branchline_held_poll_seconds",
            "How long polls were held for news (_HLS_msn).",
            buckets=HELD_SECONDS,
            registry=found,
        )
        self.segments = Counter("branchline_segments", "Segments sent.", registry=found)
        self.segment_bytes = Counter("branchline_segment_bytes", "Bytes of segments sent.", registry=found)
        self.answers = Counter(
            "branchline_answers", "Answers that viewers gave, by what became of them.", ["outcome"], registry=found
        )
        self.commits = Counter(
            "branchline_commits", "Decisions committed here, by who decided.", ["by"], registry=found
        )
        self.listed = Histogram(
            "branchline_choice_to_listed_seconds",
            "From a viewer's answer to the first segment of its branch in a list.",
            buckets=LISTED_SECONDS,
            registry=found,
        )
        self.store = Histogram(
            "branchline_store_seconds",
            "What the session store was asked to do, and how long it took.",
            ["operation"],
            buckets=STORE_SECONDS,
            registry=found,
        )
        self.store_errors = Counter(
            "branchline_store_errors", "What the session store could not do.", ["operation"], registry=found
        )
        self.requests = Counter("branchline_requests", "Requests answered.", ["route", "status"], registry=found)
        self.latency = Histogram(
            "branchline_request_seconds",
            "How long requests took, holding included, event streams left out.",
            ["route"],
            buckets=REQUEST_SECONDS,
            registry=found,
        )
