"""Imports a text and reads what came of it."""

from __future__ import annotations

from typing import Any

import yaml

from streamer.imports.twee import Imported, import_twee
from streamer.story.codec import load_story

SUGARCUBE = ':: StoryData\n{"ifid": "A", "format": "SugarCube"}\n\n'
HARLOWE = ':: StoryData\n{"ifid": "A", "format": "Harlowe"}\n\n'


def imported(text: str, file: str = "story.twee", story: str | None = None) -> Imported:
    """Imports a text, and makes sure that a story came of it."""
    made = import_twee(text, file, story)
    load_story(made.text, "story.yaml")
    return made


def data_of(text: str) -> dict[str, Any]:
    """Gives the story as plain data."""
    data: dict[str, Any] = yaml.safe_load(imported(text).text)
    return data


def scene_of(text: str, name: str = "Start") -> dict[str, Any]:
    """Gives one scene as plain data."""
    scene: dict[str, Any] = data_of(text)["scenes"][name]
    return scene


def told(text: str) -> list[str]:
    """Gives what was reported, as `line:column problem. What became of it`."""
    return [f"{each.line}:{each.column} {each.problem}. {each.remedy}" for each in imported(text).findings]
