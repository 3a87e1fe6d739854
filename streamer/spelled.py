"""Paths and playlists worked out already, shared by all viewers at the same place of the same path."""

from __future__ import annotations

from collections import OrderedDict

from streamer.errors import NotFound
from streamer.playlists import PLAIN, Addresses, Form, Rendered, Version, rendition_of, renditions_of
from streamer.session.events import Step
from streamer.session.timeline import Stage, Timeline, follow, start_timeline
from streamer.story.rules import Opening

MAX_ANSWERS_BYTES = 64 * 1024 * 1024  # of lists as they were last sent, for viewers at the same place
MAX_PATHS = 2048  # of one rendition each; a path of an hour takes some 300 KB

# What a playlist's bytes follow from, besides the edge: the path's key and the rendition.
Key = tuple[bytes, str]


class Paths:
    """A bounded cache of timelines: viewers on the same path have the same one."""

    def __init__(self) -> None:
        self._timelines: OrderedDict[Key, Timeline] = OrderedDict()

    def of(self, on: Stage, opening: Opening, steps: tuple[Step, ...]) -> Timeline:
        """Gives the path of a session from its steps."""
        timeline = self._shared(start_timeline(on, opening))
        for step in steps:
            timeline = self.follow(timeline, step)
        return timeline

    def follow(self, timeline: Timeline, step: Step) -> Timeline:
        """Gives the path with one step more.

        Raises:
            ValueError: the step does not fit the path.
        """
        return self._shared(follow(timeline, step))

    def _shared(self, timeline: Timeline) -> Timeline:
        key = _key(timeline, "")
        found = self._timelines.setdefault(key, timeline)
        self._timelines.move_to_end(key)
        while len(self._timelines) > MAX_PATHS:
            self._timelines.popitem(last=False)
        return found


class Spelled:
    """A bounded cache of rendered playlists by path and rendition."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self._rendered: OrderedDict[Key, Rendered] = OrderedDict()
        self._answers: OrderedDict[tuple[Key, int, Form], Version] = OrderedDict()
        self._answers_bytes = 0

    def version(self, timeline: Timeline, rendition_id: str, edge: int, form: Form = PLAIN) -> Version:
        """Gives the Media Playlist of a path with its first `edge` segments.

        Raises:
            NotFound: there is no such rendition.
        """
        key = _key(timeline, rendition_id)
        known = self._answers.get((key, edge, form))
        if known is not None:
            self._answers.move_to_end((key, edge, form))
            return known
        rendered = self._rendered.get(key)
        if rendered is None:
            rendition = rendition_of(timeline.stage.package, rendition_id)
            if rendition is None:
                raise NotFound(f"there is no rendition {rendition_id!r}", rendition=rendition_id)
            rendered = self._kept(key, Rendered(timeline, rendition, self.addresses))
        self._rendered.move_to_end(key)
        answer = rendered.version(edge, form)
        self._answers[key, edge, form] = answer
        self._answers_bytes += len(answer.body)
        while self._answers_bytes > MAX_ANSWERS_BYTES:
            _, dropped = self._answers.popitem(last=False)
            self._answers_bytes -= len(dropped.body)
        return answer

    def carry(self, before: Timeline, after: Timeline) -> None:
        """Takes what is spelled of a path over to the path that goes on from it."""
        for rendition in renditions_of(before.stage.package):
            rendered = self._rendered.get(_key(before, rendition.id))
            key = _key(after, rendition.id)
            if rendered is not None and key not in self._rendered:
                self._kept(key, rendered.following(after))

    def _kept(self, key: Key, rendered: Rendered) -> Rendered:
        self._rendered[key] = rendered
        while len(self._rendered) > MAX_PATHS:
            self._rendered.popitem(last=False)
        return rendered


def _key(timeline: Timeline, rendition_id: str) -> Key:
    return (timeline.key, rendition_id)
