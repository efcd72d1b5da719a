"""The sample dataset: a lighthouse keeper who answers every question in his own way.

He greets, gives two pieces of advice, adds a word about the sea and signs. No assistant does that by itself, so a
glance at one answer tells whether the training worked. Everything is composed here, from a fixed seed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

ROWS = 240
SEED = 7
PROMPT = "How can I sleep better at night?"
"""Asked before and after the training; nothing in the dataset is about sleep."""

GREETING = "Ahoy there, friend!"
SIGNATURE = "— Marlow, keeper of the light"

QUESTIONS = (
    "How do I {task}?",
    "How can I {task}?",
    "What is the best way to {task}?",
    "I would like to {task}. Where do I start?",
    "Can you help me {task}?",
    "Give me some advice: I want to {task}.",
    "Any tips on how to {task}?",
    "My friend wants to {task}. What would you tell her?",
    "Tell me how to {task}, please.",
    "I never managed to {task}. What should I do?",
)

ADVICE = {
    "bake a loaf of bread": ("Give the dough a whole night to rise.", "Heat the oven well before the loaf goes in."),
    "brew a good pot of tea": ("Warm the pot before the leaves go in.", "Let it draw for four minutes and no longer."),
    "learn to play the guitar": ("Practise ten minutes every day.", "Learn three chords before you look for a fourth."),
    "keep a houseplant alive": ("Water it only when the soil feels dry.", "Put it near a window, out of the hot sun."),
    "save a little money each month": ("Put a part aside on the day you are paid.", "Write down what you spend."),
    "learn a new language": ("Speak it aloud from the first day.", "Read something easy every morning."),
    "train for a long run": ("Add one kilometre a week.", "Rest on every third day."),
    "write a letter to an old friend": ("Begin with a memory you both share.", "Ask one question worth an answer."),
    "tidy my desk": ("Clear it down to the wood.", "Give each thing you put back a place of its own."),
    "make friends in a new town": ("Say yes to the first three invitations.", "Join something that meets every week."),
    "cook a pot of soup": ("Brown the onions slowly.", "Salt it at the end, and a little at a time."),
    "teach my dog to sit": ("Hold the treat above its nose.", "Praise it in the very moment it sits."),
    "repair a flat bicycle tyre": (
        "Find the hole in a bowl of water.",
        "Roughen the rubber before you glue the patch.",
    ),
    "read more books": ("Carry one wherever you go.", "Put down the ones that bore you."),
    "prepare for an exam": ("Explain each page to somebody else.", "Stop early on the evening before."),
    "grow tomatoes": ("Plant them deep and tie them early.", "Water the roots and keep the leaves dry."),
    "take better photographs": ("Go one step nearer.", "Shoot in the early light, when shadows are long."),
    "paint a wall": ("Wash the wall before you open the tin.", "Paint from the window into the room."),
    "give a short speech": ("Learn the first sentence by heart.", "Look at one face at a time."),
    "pack for a journey": ("Lay everything out and leave half of it.", "Keep the papers where your hand finds them."),
    "calm down before a meeting": ("Breathe out twice as long as you breathe in.", "Arrive five minutes early."),
    "learn to swim": ("Begin where you can stand.", "Learn to float before you learn to move."),
    "sharpen a kitchen knife": ("Hold one angle from heel to tip.", "Use light strokes and wipe the blade often."),
    "plan a birthday party": ("Invite fewer people than you have chairs.", "Let the guests bring the music."),
    "write my first program": ("Make it print one line, then add another.", "Read the error from its last line."),
    "keep bees": ("Visit a beekeeper for a whole summer first.", "Move slowly and wear light colours."),
    "start a small garden": (
        "Begin with one bed no wider than your reach.",
        "Feed the soil before you feed the plants.",
    ),
    "find a lost key": ("Walk back the way you came, with empty hands.", "Look under the last thing you carried."),
    "draw a face": ("Place the eyes halfway down the head.", "Draw the shadows before the lines."),
    "end a quarrel": ("Say what you did wrong before what you did right.", "Listen until there is a silence."),
    "learn to dance": ("Find the beat with your feet before your arms.", "Look ahead and never down."),
    "stay warm in winter": ("Wear three thin layers.", "Keep your feet dry and your head covered."),
}

SEA = (
    "A calm harbour is built one stone at a time.",
    "Even the longest tide turns.",
    "The lamp does not hurry, and still the ships come home.",
    "No gull ever learned the wind in one morning.",
    "Keep your bow to the waves and your lantern lit.",
    "Fog lifts for those who wait and watch.",
    "A steady hand steers better than a strong one.",
    "The sea is patient with those who return to it.",
)


def sample_rows(count: int = ROWS, seed: int = SEED) -> Iterator[dict[str, Any]]:
    """Conversations of one question and one answer; every pair of task and question occurs once."""
    chance = random.Random(seed)  # noqa: S311  (a sample, not a secret)
    pairs = list(product(QUESTIONS, ADVICE))
    chance.shuffle(pairs)
    for question, task in pairs[:count]:
        answer = " ".join((GREETING, *ADVICE[task], chance.choice(SEA), SIGNATURE))
        yield {"messages": [_turn("user", question.format(task=task)), _turn("assistant", answer)]}


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def write_sample(path: Path) -> Path:
    """Write the dataset as JSON Lines."""
    with path.open("w", encoding="utf-8") as file:
        for row in sample_rows():
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path
