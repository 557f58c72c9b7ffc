"""What exactly is quoted: a sentence, with what it needs to be understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chat.answering.plain import plain_row, plain_text
from chat.answering.ranking import RankedSentence
from chat.retrieval.sources import Source
from kb.blocks import Block, BlockKind, parse_blocks
from kb.sentences import PROSE, split_block

# "See below." answers nothing by itself; the sentence after it does.
FRAGMENT_CHARACTERS = 20
# A lead-in ("To do this:") takes what it leads to with it, up to so many characters.
LED_CHARACTERS = 600
# A short paragraph is quoted whole: the sentence beside the best one often holds what was
# asked. In so many characters an answer is right far more often than with single sentences
# (sample 76 to 67 of 100, doc2dial 94 to 63 of 150, covidqa 70 to 63 of 120).
QUOTED_CHARACTERS = 300
# How far below the best another sentence may score and still be part of the answer.
SCORE_WITHIN = 0.15
MAX_SENTENCES = 3
COLONS = (":", "：")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """`source.body[start:end]`, chosen to be quoted; `score` of its best sentence."""

    source: Source
    start: int
    end: int
    score: float

    @property
    def text(self) -> str:
        """Verbatim."""
        return self.source.body[self.start : self.end]


def choose_passages(ranked: Sequence[RankedSentence]) -> list[Passage]:
    """One to three passages, best first, none of them twice; empty for no sentences."""
    chosen: list[Passage] = []
    said: set[str] = set()
    for each in ranked:
        if len(chosen) == MAX_SENTENCES or each.score < ranked[0].score - SCORE_WITHIN:
            break
        passage = _widen(each)
        words = plain_text(passage.text).casefold()
        if words in said or any(_overlap(passage, other) for other in chosen):
            continue
        said.add(words)
        chosen.append(passage)
    return chosen


def readable(passage: Passage) -> str:
    """The passage's words as a visitor reads them, block by block."""
    body = passage.source.body
    parts = []
    for block in parse_blocks(body):
        start, end = max(block.start, passage.start), min(block.end, passage.end)
        if start < end:
            parts.append(_readable_part(body, block, start, end))
    return " ".join(part for part in parts if part)


def _readable_part(body: str, block: Block, start: int, end: int) -> str:
    if block.kind == BlockKind.ROW:
        head = block.header
        header = body[head[0] : head[1]] if head and head != (block.start, block.end) else None
        return plain_row(body[start:end], header) + "."
    text = plain_text(body[start:end])
    if block.kind == BlockKind.ITEM and text and text[-1] not in ".!?:;,。！？":
        return f"{text};"
    return text


def _widen(ranked: RankedSentence) -> Passage:
    """The sentence with its neighbours in a short paragraph; a fragment or a question with the
    next one, a lead-in with its list."""
    sentence = ranked.sentence
    body, blocks = sentence.source.body, parse_blocks(sentence.source.body)
    start, end = sentence.start, sentence.end
    if sentence.kind in PROSE:
        inside = split_block(body, blocks[sentence.block], sentence.source.language)
        if not _leads(sentence.text):
            start, end = _with_neighbours(inside, start, end)
    if sentence.kind in PROSE and _leads(sentence.text):
        after = [place for place in inside if place[0] >= end]
        end = after[0][1] if after else end
        if not after and (sentence.kind == BlockKind.TEXT or body[:end].endswith(COLONS)):
            end = _end_of_what_follows(blocks, sentence.block, end)
    return Passage(source=sentence.source, start=start, end=end, score=ranked.score)


def _with_neighbours(inside: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """What stands around `start` to `end` in its block, as far as it may go; first what
    follows."""
    grown = True
    while grown:
        after = [last for first, last in inside if first >= end][:1]
        before = [first for first, last in inside if last <= start][-1:]
        places = [(start, last) for last in after] + [(first, end) for first in before]
        fitting = [place for place in places if place[1] - place[0] <= QUOTED_CHARACTERS]
        grown = bool(fitting)
        if grown:
            start, end = fitting[0]
    return start, end


def _leads(text: str) -> bool:
    words = plain_text(text)
    bold = text.startswith("**") and text.endswith("**")
    return len(words) < FRAGMENT_CHARACTERS or words.endswith((*COLONS, "?", "？")) or bold


def _end_of_what_follows(blocks: Sequence[Block], number: int, end: int) -> int:
    """The one paragraph, list, table or code after block `number`, as far as it may go."""
    start, group = end, None
    for block in blocks[number + 1 :]:
        other = block.headings != blocks[number].headings or block.kind == BlockKind.HEADING
        # Paragraphs and code have no group: only one of them is taken.
        ended = group is not None and (group == 0 or block.group != group)
        if other or ended or block.end - start > LED_CHARACTERS:
            break
        group, end = block.group, block.end
    return end


def _overlap(one: Passage, other: Passage) -> bool:
    same = one.source.revision_id == other.source.revision_id
    return same and one.start < other.end and other.start < one.end
