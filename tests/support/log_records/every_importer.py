"""The records of all importers, by name."""

from __future__ import annotations

from typing import Any

from support.log_records.anthropic_messages import RECORDS as ANTHROPIC
from support.log_records.calls import RECORDS as CALLS
from support.log_records.events import RECORDS as EVENTS
from support.log_records.inspect_log import RECORDS as INSPECT
from support.log_records.langfuse import RECORDS as LANGFUSE
from support.log_records.langsmith import RECORDS as LANGSMITH
from support.log_records.litellm_log import RECORDS as LITELLM
from support.log_records.mlflow_trace import RECORDS as MLFLOW
from support.log_records.openai_chat import RECORDS as OPENAI
from support.log_records.openai_responses import RECORDS as RESPONSES
from support.log_records.openinference import RECORDS as OPENINFERENCE
from support.log_records.otel_genai import RECORDS as OTEL
from support.log_records.promptfoo import RECORDS as PROMPTFOO
from support.log_records.swe_agent import RECORDS as SWE_AGENT

RECORDS: dict[str, list[Any]] = {
    "events": EVENTS,
    "openinference": OPENINFERENCE,
    "mlflow": MLFLOW,
    "otel": OTEL,
    "promptfoo": PROMPTFOO,
    "sweagent": SWE_AGENT,
    "inspect": INSPECT,
    "litellm": LITELLM,
    "langfuse": LANGFUSE,
    "langsmith": LANGSMITH,
    "calls": CALLS,
    "anthropic": ANTHROPIC,
    "responses": RESPONSES,
    "openai": OPENAI,
}
