"""``python -m ipybox.cli``: the same as the command ``ipybox``."""

from ipybox.cli.main import app

app(prog_name="ipybox")
