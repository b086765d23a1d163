"""How the server's log is written: for people, or one JSON object a line for a collector."""

import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal

import orjson

TEXT_FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"
# What a record may carry besides its text; given as `extra` where the log is written.
FIELDS: Final = ("request_id", "operation", "account", "status", "duration_ms", "arn")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and the record's `FIELDS`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its line break."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({
            name: value for name in FIELDS if (value := getattr(record, name, None)) is not None
        })
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def set_up_log(level: str, form: Literal["text", "json"]) -> None:
    """Send the log of this process to standard error.

    Args:
        level: The least level that is written: DEBUG, INFO or WARNING.
        form: `text` for people, `json` for a collector.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(TEXT_FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
