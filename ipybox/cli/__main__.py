"""Run the command line with ``python -m ipybox.cli``, as the command ``ipybox`` does."""

from ipybox.cli.main import app

app(prog_name="ipybox")
