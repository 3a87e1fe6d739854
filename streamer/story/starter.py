"""A story to begin with: small, whole, and every line of it explained."""

from __future__ import annotations

import json
import re

from streamer.errors import BranchlineError
from streamer.story.file import FORMS, MAX_WORDS, STORY_ID, WORDS, shown

SCHEMA_LINE = "# yaml-language-server: $schema=story.schema.json\n"  # what editors look for
STARTER = """\
# What may stand here: docs/story-format.md. `branchline check` tells every mistake, with its line.
story: 1
id: {id}
title: {title}
start: harbour

# What the story remembers. Choices change it with `set`, and ask for it with `when`.
state:
  map: {{type: bool, default: false}}

# Each scene is one piece of footage: `src: harbour` is the file footage/harbour.mp4 beside this one.
# `text` is what happens in it, for you, and for the slate that is shown until there is footage.
scenes:
  harbour:
    media: {{src: harbour}}
    text: >-
      Fog over the harbour. The ferry leaves in a minute. On the wall of the ticket office hangs an old
      map of the island, held by one pin.
    decision:
      id: map
      prompt: The ferry whistles. Do you take the map?
      default: leave # taken when nobody answers in time
      choices:
        - id: take
          label: Take the map
          to: island
          set: {{map: true}}
        - id: leave
          label: Run for the ferry
          to: island

  island:
    media: {{src: island}}
    text: The island. The path forks in the fog, and nobody is about.
    next: # the first that holds; the last one always does
      - {{to: lighthouse, when: state.map}}
      - {{to: shore}}

  lighthouse:
    media: {{src: lighthouse}}
    text: The map knows a short cut. You stand at the lighthouse as its lamp is lit.
    end: {{id: found}}

  shore:
    media: {{src: shore}}
    text: The path ends at the water. Behind you the ferry whistles, and goes.
    end: {{id: lost}}
"""


def starter_story(story_id: str, title: str) -> str:
    """Gives the starter story as a file.

    Raises:
        BranchlineError: a story cannot have this id, or this title.
    """
    if re.fullmatch(STORY_ID, story_id) is None:
        raise BranchlineError(f"{shown(story_id)} is no id of a story. {FORMS[STORY_ID]}")
    if not 0 < len(title) <= MAX_WORDS or re.fullmatch(WORDS, title) is None or not title.isprintable():
        raise BranchlineError(f"{shown(title)} is no title. {FORMS[WORDS]}, of {MAX_WORDS} at most")
    return SCHEMA_LINE + STARTER.format(id=json.dumps(story_id), title=json.dumps(title, ensure_ascii=False))
