"""The models hold, and each safeguard that is taken away lets an attack in.

PUSHMFA_MODELS=full searches with two kept answers; else the variants that hold are
searched with one, so that it takes seconds.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.model.variants import ATTACKED, HERE, HOLDING, RESIDUAL, Variant

pytestmark = pytest.mark.timeout(900)

IS_FULL = os.environ.get("PUSHMFA_MODELS") == "full"


def run(folder: Path, *command: str | Path) -> str:
    done = subprocess.run(
        command, cwd=folder, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def search(folder: Path, variant: Variant, effort: str, *definitions: str) -> str:
    """Return what Spin's verifier says of a variant; effort is gcc's."""
    words = [f"-D{word}" for word in (*variant.without, *definitions)]
    source = HERE / f"{variant.model}.pml"
    run(folder, "spin", *words, "-a", source)
    run(folder, "gcc", effort, "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c")
    return run(folder, "./pan", "-m100000")


def broken_property(variant: Variant, said: str) -> str:
    """Return the name, P1 or the like, of the assertion that was violated.

    Spin's line numbers are those of something else where lines were left out.
    """
    source = (HERE / f"{variant.model}.pml").read_text("utf-8")
    numbers = dict(re.findall(r"#define (\w+) +(\d+)\b", source))
    names: dict[str, str] = {
        _bare(assertion, numbers): name
        for assertion, name in re.findall(r"assert\((.*)\);? +/\* (\w\d) \*/", source)
    }
    violated = re.search(r"assertion violated (.*) \(at depth", said)
    assert violated, said
    return names[_bare(violated[1], {})]


def _bare(assertion: str, numbers: dict[str, str]) -> str:
    words = re.findall(r"\w+|[^\w\s()]", assertion)
    return "".join(numbers.get(word, word) for word in words)


@pytest.mark.parametrize("variant", HOLDING, ids=str)
def test_every_state_of_it_is_safe(tmp_path: Path, variant: Variant) -> None:
    said = search(tmp_path, variant, "-O1", f"MAXSIG={2 if IS_FULL else 1}")
    # A search that was cut off proves nothing.
    assert not re.search(r"too small|not completed|out of memory|truncated", said), said
    assert "errors: 0" in said, said
    states = re.search(r"([\d.e+]+) states, stored", said)
    assert states
    print(f"{variant}: holds in {states[1]} states")  # noqa: T201  shown by make models


@pytest.mark.parametrize("variant", [*ATTACKED, *RESIDUAL], ids=str)
def test_attack_on_what_has_a_safeguard_less(tmp_path: Path, variant: Variant) -> None:
    said = search(tmp_path, variant, "-O0")
    assert "errors: 1" in said, said
    assert broken_property(variant, said) == variant.breaks


@pytest.mark.parametrize("model", ["approval", "enrollment"])
def test_every_safeguard_of_the_model_is_taken_away_once(model: str) -> None:
    text = (HERE / f"{model}.pml").read_text("utf-8")
    in_model = set(
        re.findall(r"#(?:ifn?def|if defined\(|elif defined\()\s*(\w+)", text)
    )
    taken = {
        word
        for variant in [*ATTACKED, *RESIDUAL, *HOLDING]
        if variant.model == model
        for word in variant.without
    }
    assert in_model - {"MAXSIG"} == taken
