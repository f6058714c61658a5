"""Which lines of the module the conversations and the faults have not run.

python tests/pam/module_coverage.py FOLDER...: each holds the counters of gcc's
--coverage after a run. Every line that no folder has run must stand in
uncovered.txt, with its reason, and nothing else may stand there.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
MODULE = HERE.parents[1] / "pam_module"
REASONS = HERE / "uncovered.txt"
LEAST_PERCENT = 95.0

Lines = dict[tuple[str, int], int]


def counted(folder: Path) -> Lines:
    """How often each line of the module was run, by file and number."""
    counters = sorted(str(path.resolve()) for path in folder.glob("*.gcda"))
    if not counters:
        sys.exit(f"no counters in {folder}")
    command = ["gcov", "--json-format", "--stdout", *counters]
    reports = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines: Lines = {}
    for report in reports.splitlines():
        for source in json.loads(report)["files"]:
            if not (MODULE / source["file"]).is_file() or not source["file"].endswith(
                ".c"
            ):
                continue
            for line in source["lines"]:
                key = (source["file"], line["line_number"])
                lines[key] = lines.get(key, 0) + line["count"]
    return lines


def explained() -> Counter[tuple[str, str]]:
    """The lines of the list: file, then two blanks, then the text of the line."""
    entries: Counter[tuple[str, str]] = Counter()
    for line in REASONS.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, text = line.partition("  ")
            entries[name, text.strip()] += 1
    return entries


def main(folders: list[str]) -> int:
    lines = counted(Path(folders[0]))  # the first knows the lines as they are shipped
    for folder in folders[1:]:
        for key, count in counted(Path(folder)).items():
            if key in lines:
                lines[key] += count
    texts = {path.name: path.read_text().splitlines() for path in MODULE.glob("*.c")}
    missing = Counter(
        (name, texts[name][number - 1].strip())
        for (name, number), count in lines.items()
        if count == 0
    )
    percent = 100.0 * (len(lines) - missing.total()) / len(lines)
    report = [
        f"coverage: {percent:.1f} % of {len(lines)} lines, {missing.total()} not run"
    ]
    report += [
        f"FAILED not run, and no reason in {REASONS.name}: {name}  {text}"
        for name, text in sorted(missing - explained())
    ]
    report += [
        f"FAILED run, but still in {REASONS.name}: {name}  {text}"
        for name, text in sorted(explained() - missing)
    ]
    sys.stdout.write("\n".join(report) + "\n")
    return int(missing != explained() or percent < LEAST_PERCENT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
