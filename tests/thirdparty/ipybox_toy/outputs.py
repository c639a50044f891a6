"""An output handler: CSV as a list of rows."""

import csv
import io
from collections.abc import Mapping
from typing import Any


class CsvHandler:
    name = "toy-csv"
    mime_types = ("text/csv",)
    produces = "data"

    def convert(self, mime_type: str, data: Any, metadata: Mapping[str, Any]) -> list[list[str]]:
        return list(csv.reader(io.StringIO(data)))
