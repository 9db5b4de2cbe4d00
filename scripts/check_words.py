"""Reports words and phrases that Kubernetes', Airflow's and Kedro's documentation do not use.

`make lint` runs it on everything that people read. Of the changelog, it reads the newest section.

    python scripts/check_words.py docs README.md
    python scripts/check_words.py --count docs README.md
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = {".py", ".md", ".j2", ".yml", ".yaml", ".toml", ".cfg", ".in", ""}
SKIPPED = {"__pycache__", "_build", "check_words.py", ".kedro-airflow-k8s", "data"}

# A pattern, and what to write. Patterns match whole words in any case, also across a line break.
PHRASES = {
    # Archaic or stilted words.
    r"anew": "again",
    r"(?:some|any|no)body": "another user, a person, no one",
    r"who(?:so)?ever": "the user, anyone who",
    r"hardly|scarcely": "probably not, rarely",
    r"thus|hence|hereby|thereby|whereby": "so, by which",
    r"(?:there|where|here)(?:in|of|upon|with|on|to)": "in it, of it, with it",
    r"whilst|amongst|upon|unto|nought|naught|lest": "while, among, on, nothing",
    r"be it": "whether it is",
    r"rightly|alike": "intentionally, equally",
    r"mend(?:s|ed|ing)?": "fix, correct",
    r"blanks": "spaces",
    r"(?<!<)circles?": "cycle",
    r"far and wide|once more|ever so|ere": "simpler words",
    r"see(?:s|n)? to it|slip of the pen|second broom": "make sure, typo, backup",
    r"tak(?:es?|ing|en) (?:no )?notice": "ignore, consider",
    r"put(?:s|ting)? up with": "tolerate",
    r"make(?:s)? do with": "use",
    r"(?:in (?:its|their|his) )stead|betimes": "instead",
    r"(?:with|in) what rights": "which permissions",
    # Verbs for software and texts.
    r"hand(?:s|ed|ing)?(?: (?:it|them|all|this|that))? on": "pass on",
    r"(?:leav(?:e|es|ing)|left)(?: (?:it|them|both|all|this|that))? away": "omit, leave out",
    r"t(?:old|ell|ells|elling) (?:of|apart)": "report, distinguish",
    r"(?:is|are|was|were|be|been|being) told": "is given, is reported, gets",
    r"ask(?:s|ed|ing)? (?:it|them)sel(?:f|ves)": "refers to itself",
    r"wants? (?:a|an|the|no|of|from|to be|it|one)": "needs, requires",
    r"(?:knows?|knew) (?:no|nothing|neither)": "has no, does not have",
    r"st(?:ands?|ood) (?:for|in (?:it|them|there)|there|beside|under|behind|alone)": "is, means",
    r"made good|makes? good": "emulated, replaced",
    r"belongs? into": "belongs in",
    r"take(?:s|n)? (?:it |them )?off|takes? .{1,20} out of it": "remove",
    r"bring(?:s|ing)? (?:with it|along)": "includes",
    # Phrases.
    r"(?<!there\s)(?:is|are|was|were) no (?!longer|more|less|one|better|worse|different|way|need)":
        "is not a",
    r"(?:that|which|what) (?:is|are|was|were) (?:already )?there(?! (?:is|are|was|were))":
        "existing, the existing",
    r"the (?:other|wrong) way (?:a)?round": "in reverse",
    r"none the (?:worse|less)|for the worse": "unaffected, still",
    r"what (?:was|is) meant": "intended",
    r"(?:is|are|was|were) to be (?:had|seen|found)": "exists",
    r"can(?:not)? be had": "is available",
    r"but for|save for|nothing but|all but": "except for, only",
    r"(?:has|have|had) become of": "happened to",
    r"as (?:it|they|this) (?:should|ought to) be": "done, correct",
    r"for good": "permanently",
    r"at (?:most|least) so (?:long|many|much)|so long as": "at most this long, as long as",
    r"go(?:es)? without|do(?:es)? without": "not use, not need",
    r"in the meantime|meanwhile, it": "until then",
    r"of (?:its|their|his|one's) own accord": "automatically",
}  # fmt: skip

# Between two words: a space, or the end of a line of prose, a comment or a string.
GAP = r"(?: | ?\"?\n\s*(?:# |f?\"|> )? ?)"
TEST_NAME = re.compile(r"(?<=def )test_\w+")

PATTERN = re.compile(
    "|".join(f"(?P<p{i}>\\b(?:{phrase})\\b)" for i, phrase in enumerate(PHRASES)).replace(" ", GAP),
    re.IGNORECASE,
)


def files(paths: list[str]) -> Iterator[Path]:
    """Yield the text files at or below paths."""
    for path in map(Path, paths):
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in found:
            if file.is_file() and file.suffix in SUFFIXES and not SKIPPED.intersection(file.parts):
                yield file


def read(file: Path) -> str:
    """Return the text of a file, with spaces in test names; the newest section of the changelog."""
    text = TEST_NAME.sub(lambda name: name[0].replace("_", " "), file.read_text("utf-8"))
    if file.name == "CHANGELOG.md":
        return "\n## ".join(text.split("\n## ")[:2])
    return text


def main(arguments: list[str]) -> int:
    """Print each phrase with its place and an alternative. Return 1 if there are any."""
    count = "--count" in arguments
    totals: Counter[str] = Counter()
    advice = list(PHRASES.values())
    for file in files([argument for argument in arguments if argument != "--count"]):
        text = read(file)
        for match in PATTERN.finditer(text):
            totals[str(file)] += 1
            if not count:
                line = text.count("\n", 0, match.start()) + 1
                words = " ".join(match[0].split())
                write = advice[int(str(match.lastgroup)[1:])]
                print(f"{file}:{line}: {words!r}. Write for example: {write}.")
    if count:
        for name, number in totals.most_common():
            print(f"{number:5} {name}")
    if totals:
        print(f"{totals.total()} odd words and phrases in {len(totals)} files.")
    return 1 if totals else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
