"""What is to be done with the rows: the settings that decide which tokens are read and which are learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Plan:
    """`answers_only` and `completion_only` are as asked for: yes, no, or None for what suits the rows.

    Rows with answers of weight 0 ask for answers only: nothing else leaves such an answer out.
    """

    format: str
    conversational: bool
    method: str = "sft"
    max_length: int = 1024
    packing: bool = False
    answers_only: bool | None = None
    completion_only: bool | None = None

    @classmethod
    def of(
        cls, settings: Mapping[str, Any], dataset_format: str, *, conversational: bool, weighted: bool = False
    ) -> Plan:
        """From the settings of a job, by their dotted names. `weighted`: some answers have a weight of 0."""
        answers_only = settings["data.assistant_only_loss"]
        return cls(
            format=dataset_format,
            conversational=conversational,
            method=settings["training.method"],
            max_length=settings["data.max_length"],
            packing=settings["training.method"] == "sft" and settings["data.packing"],
            answers_only=True if weighted and answers_only is None else answers_only,
            completion_only=settings["data.completion_only_loss"],
        )

    @property
    def dpo(self) -> bool:
        return self.method == "dpo"

    @property
    def looks_for_answers(self) -> bool:
        """Whether the assistant's turns are told from the others: when asked to, and by itself for whole chats.

        A prompt and a completion are told apart already.
        """
        if self.dpo or not self.conversational:
            return False
        return self.format == "messages" if self.answers_only is None else self.answers_only

    @property
    def masks_prompts(self) -> bool:
        """Of a prompt and its completion only the latter is learnt, unless the settings say otherwise."""
        return self.format == "prompt_completion" and self.completion_only is not False

    def on_every_turn(self) -> Plan:
        return replace(self, answers_only=False)
