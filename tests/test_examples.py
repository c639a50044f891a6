"""Each example runs as a script on each backend, and the usage page links to it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
USAGE_PAGE = Path(__file__).parents[1] / "docs/usage.md"
PRINTED = {
    "01_basic_usage.py": r"^Output: Hello, world!$",
    "02_state_management.py": (
        r"^Planner: Bern - Thun - Spiez\nGuest: looking for a route\n"
        r"Guest: NameError: name 'route' is not defined\n"
        r"Planner has a route after a restart: False$"
    ),
    "03_output_streaming.py": (
        r"^\[\d\.\d s\] 1\.414213562373\nApproximations of √2: 5\n"
        r"Stopped after 'waiting for a better one', variables: preserved\n"
        r"Best so far: 1\.41421356237\d+$"
    ),
    "04_dependencies.py": r"^Säntis +2502\nEiger +3967\nDom +4546$",
    "05_plots.py": (
        r"^2 dice: 36 outcomes\n3 dice: 216 outcomes\n"
        r"dice-2\.png: \d{3,}×\d{3,}\ndice-3\.png: \d{3,}×\d{3,}$"
    ),
    "06_bind_mounts.py": r'^{"lines": 3, "words": 13}$',
    "07_environment_variables.py": r"^Signature: 6d0473ab5a508fb4\nKey in the repr: False$",
    "08_input.py": r"^Hello Ada, your password has 6 characters$",
    "09_much_output.py": r"^In the file: 588890 bytes\nLate: from a thread that outlived the cell$",
}


def test_every_example_has_a_test_and_every_section_of_the_usage_page_links_to_one() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted(PRINTED), (
        "an example has no test"
    )
    _, *sections = re.split(r"^## ", USAGE_PAGE.read_text(), flags=re.M)
    links = [re.findall(r"\]\(\.\./examples/(\w+\.py)\)", section) for section in sections]
    assert all(links), "a section of the usage page links to no example"
    assert sorted(name for names in links for name in names) == sorted(PRINTED)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PRINTED)
def test_example_prints_what_it_promises(name: str, backend: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=tmp_path,
        env={**os.environ, "IPYBOX_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(PRINTED[name], done.stdout, re.M), done.stdout


def test_streaming_example_prints_chunks_as_they_arrive(local: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "03_output_streaming.py")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    arrivals = [float(seconds) for seconds in re.findall(r"\[(\d\.\d) s\]", done.stdout)]
    assert len(arrivals) == 5
    assert arrivals[-1] - arrivals[0] >= 3
