"""Every hook has a page in the docs, and the third-party example implements every hook."""

import re
from pathlib import Path

import ipybox_local.plugin  # noqa: F401  # examples may import a built-in plugin

from ipybox.plugins.hookspecs import Hooks

ROOT = Path(__file__).parents[2]
HOOKS = sorted(name for name in vars(Hooks) if name.startswith("ipybox_"))


def test_every_hook_has_a_page_and_every_page_a_hook() -> None:
    pages = sorted(path.stem for path in (ROOT / "docs/hooks").glob("*.md"))
    assert pages == HOOKS
    for name in HOOKS:
        text = (ROOT / f"docs/hooks/{name}.md").read_text()
        assert text.startswith(f"# {name}\n")
        (source,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
        names: dict[str, object] = {"load": lambda: None}
        exec(source, names)
        assert getattr(names[name], "ipybox_impl", None), "the example implements no hook"


def test_the_third_party_example_implements_every_hook() -> None:
    source = (ROOT / "tests/thirdparty/ipybox_toy/plugin.py").read_text()
    for name in HOOKS:
        assert f"def {name}(" in source
