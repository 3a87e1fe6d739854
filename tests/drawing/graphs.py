"""Graphs of stories in a few words."""

from __future__ import annotations

from streamer.story.codec import read_story
from streamer.story.graph import Graph, graph_of
from streamer.story.rules import Opening
from streamer.story.simulate import Simulation
from streamer.story.walk import Plan, lengths_of, walk
from tests.builders import seconds


def graphed(text: str, viewers: int = 20, most_scenes: int = 200) -> Graph:
    """Gives the graph of a story file, with what so many viewers did who answer at random."""
    story, findings = read_story(text, "story.yaml")
    assert story is not None, findings
    simulation, lengths = Simulation(story), lengths_of(story, seconds(30))
    for seed in range(viewers):
        plan = Plan(policy="uniform", seed=seed)
        simulation.add(
            walk(story, lengths, plan, opening=Opening(seed=seed), segment=seconds(2), most_scenes=most_scenes)
        )
    return graph_of(story, seconds(30), simulation.report(), findings)


WHOLE = """
story: 1
id: whole
title: {en: All there is, sv: Allt}
start: "@opening"
fallback: lost
defaults: {hold: {src: idle, max: 8s}}
state: {coins: {type: int, default: 0}, lamp: {type: bool, default: false}}
groups:
  opening: [{to: hall, when: state.coins == 0}, {to: yard}]
  out: [{to: yard, when: state.lamp}, {to: "@deep"}, {to: "@deep"}]
  deep: [{to: hall, when: state.coins > 3}, {to: yard, when: state.coins > 9}]
scenes:
  hall:
    media: {src: hall, out: 20s}
    checkpoint: {id: hall, label: The hall}
    decision:
      id: door
      prompt: Which door?
      default: first
      hold: true
      choices:
        - {id: left, label: Left, to: yard, set: {lamp: true, coins: state.coins + 1}}
        - {id: right, label: Right, to: "@out", when: state.lamp}
        - {id: stay, label: Stay, to: hall}
  yard:
    media: {src: yard}
    decision:
      id: gate
      prompt: The gate?
      opens_at: 7s
      closes_at: 20s
      lock: immediate
      default: "no"
      choices: [{id: "yes", label: "Yes", to: sea.side}, {id: "no", label: "No"}]
    next: [{to: sea.side, weight: 2, when: state.coins > 0}, {to: hall, weight: 1, when: state.coins > 1}]
  tower: {media: {src: tower}, next: [{to: sea.side}]}
  sea.side: {media: {src: sea}, end: {id: free}}
  lost: {media: {src: lost}, end: {id: lost}}
"""

MORE = """
story: 1
id: more
title: More
start: quay
state: {tea: {type: bool, default: false}}
groups:
  quay: [{to: boat, when: state.tea}, {to: pier}]
menu: [{label: Again, to: quay, reset: true}, {label: Help, to: help}]
scenes:
  quay:
    media: {src: quay, out: 40s}
    text: |
      Fog. A bell rings
      twice.
    variants: [{when: state.tea, src: quay_tea, in: 1s, out: 36.5s}, {src: quay}]
    events:
      - {at: 2s, set: {tea: true}, when: "!state.tea", cue: kettle}
      - {at: -1.5s, track: {chapter: fog}}
    decisions:
      - {id: cup, prompt: Tea?, opens_at: 7s, closes_at: 14s, default: tea, choices: [
          {id: tea, label: Tea, set: {tea: true}, score: 2}, {id: none, label: None, url: "https://shop.example/"}]}
      - {id: way, opens_at: 18s, closes_at: 30s, timeout: pier, choices: [
          {id: boat, label: By boat, to: boat, when: state.tea}, {id: stay, label: Stay}]}
  boat:
    media: {src: boat}
    decision: {id: code, prompt: The code?, default: other, input: {type: code, length: 2}, choices: [
      {id: right, label: Right, to: pier, code: "4B"}, {id: other, label: Other, to: quay}]}
  pier:
    media: {src: pier}
    end: {id: home, goal: true}
    decision: {id: more, prompt: Once more?, hold: {src: idle, max: 8s}, default: "no", choices: [
      {id: "yes", label: "Yes", to: quay}, {id: "no", label: "No"}]}
  help: {media: {src: help}, next: [{to: pier}]}
"""
