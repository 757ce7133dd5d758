"""One conversation in every shape of log that an importer reads.

A conversation is a list of ``Said`` and ``Did`` and ``Gave``. Each of ``SHAPES`` makes records of it: one for each of the agent's
turns where the log has single calls, or one for all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from support.log_records.otel_genai import otlp

SYSTEM = "You run a harbour."


@dataclass(frozen=True)
class User:
    text: str


@dataclass(frozen=True)
class Agent:
    """What the agent said, and its calls: id, name, arguments."""

    text: str = ""
    calls: tuple[tuple[str, str, dict[str, Any]], ...] = ()


@dataclass(frozen=True)
class Gave:
    call: str
    name: str
    value: Any


Talk = list[User | Agent | Gave]
Records = list[Any]


def turns(talk: Talk) -> Iterator[tuple[Talk, Agent]]:
    """Give each turn of the agent with what stood before it."""
    for i, one in enumerate(talk):
        if isinstance(one, Agent):
            yield talk[:i], one


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# ---------------------------------------------------------------------------------------------- messages by their APIs


def chat(talk: Talk, *, system: bool = True) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}] if system else []
    for one in talk:
        match one:
            case User(text):
                made.append({"role": "user", "content": text})
            case Agent(text, calls):
                listed = [
                    {"id": i, "type": "function", "function": {"name": name, "arguments": json.dumps(args)}}
                    for i, name, args in calls
                ]
                made.append({"role": "assistant", "content": text or None, **({"tool_calls": listed} if listed else {})})
            case Gave(call, _, value):
                made.append({"role": "tool", "tool_call_id": call, "content": as_text(value)})
    return made


def items(talk: Talk) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for one in talk:
        match one:
            case User(text):
                made.append({"role": "user", "content": [{"type": "input_text", "text": text}]})
            case Agent(text, calls):
                if text:
                    parts = [{"type": "output_text", "text": text}]
                    made.append({"type": "message", "role": "assistant", "content": parts})
                for i, name, args in calls:
                    made.append({"type": "function_call", "call_id": i, "name": name, "arguments": json.dumps(args)})
            case Gave(call, _, value):
                made.append({"type": "function_call_output", "call_id": call, "output": as_text(value)})
    return made


def merged(messages: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Put what one role says in a row into one message, as some APIs want it."""
    made: list[dict[str, Any]] = []
    for one in messages:
        if made and made[-1]["role"] == one["role"] == "user" and any("result" in str(part) for part in one[key]):
            made[-1] = {**made[-1], key: [*made[-1][key], *one[key]]}
        else:
            made.append(one)
    return made


def anthropic(talk: Talk) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for one in talk:
        match one:
            case User(text):
                made.append({"role": "user", "content": [{"type": "text", "text": text}]})
            case Agent(text, calls):
                blocks: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
                blocks += [{"type": "tool_use", "id": i, "name": name, "input": args} for i, name, args in calls]
                made.append({"role": "assistant", "content": blocks})
            case Gave(call, _, value):
                block = {"type": "tool_result", "tool_use_id": call, "content": as_text(value)}
                made.append({"role": "user", "content": [block]})
    return merged(made, "content")


def bedrock(talk: Talk) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for one in talk:
        match one:
            case User(text):
                made.append({"role": "user", "content": [{"text": text}]})
            case Agent(text, calls):
                blocks: list[dict[str, Any]] = [{"text": text}] if text else []
                blocks += [{"toolUse": {"toolUseId": i, "name": name, "input": args}} for i, name, args in calls]
                made.append({"role": "assistant", "content": blocks})
            case Gave(call, _, value):
                content = [{"text": value} if isinstance(value, str) else {"json": value}]
                made.append({"role": "user", "content": [{"toolResult": {"toolUseId": call, "content": content}}]})
    return merged(made, "content")


def parts(talk: Talk, *, listed: bool = False, result: str = "response", by: str = "tool") -> list[dict[str, Any]]:
    """OpenTelemetry's messages. ``listed``: ids are lists, as older agents of Microsoft write them."""
    made: list[dict[str, Any]] = []

    def known(call: str) -> Any:
        return ["run_1", call] if listed else call

    for one in talk:
        match one:
            case User(text):
                made.append({"role": "user", "parts": [{"type": "text", "content": text}]})
            case Agent(text, calls):
                told: list[dict[str, Any]] = [{"type": "text", "content": text}] if text else []
                told += [{"type": "tool_call", "id": known(i), "name": name, "arguments": args} for i, name, args in calls]
                made.append({"role": "assistant", "parts": told, "finish_reason": "stop"})
            case Gave(call, _, value):
                part = {"type": "tool_call_response", "id": known(call), result: value}
                made.append({"role": by, "parts": [part]})
    return made


def gemini(talk: Talk, *, camel: bool = False) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    call_key, result_key = ("functionCall", "functionResponse") if camel else ("function_call", "function_response")
    for one in talk:
        match one:
            case User(text):
                made.append({"role": "user", "parts": [{"text": text}]})
            case Agent(text, calls):
                told: list[dict[str, Any]] = [{"text": text}] if text else []
                told += [{call_key: {"name": name, "args": args}} for _, name, args in calls]
                made.append({"role": "model", "parts": told})
            case Gave(_, name, value):
                response = value if isinstance(value, dict) else {"result": value}
                made.append({"role": "user", "parts": [{result_key: {"name": name, "response": response}}]})
    return merged(made, "parts")


def ai_sdk(talk: Talk) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for one in talk:
        match one:
            case User(text):
                made.append({"role": "user", "content": [{"type": "text", "text": text}]})
            case Agent(text, calls):
                told: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
                told += [{"type": "tool-call", "toolCallId": i, "toolName": name, "input": args} for i, name, args in calls]
                made.append({"role": "assistant", "content": told})
            case Gave(call, name, value):
                output = {"type": "text" if isinstance(value, str) else "json", "value": value}
                part = {"type": "tool-result", "toolCallId": call, "toolName": name, "output": output}
                made.append({"role": "tool", "content": [part]})
    return made


def langchain(talk: Talk) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for one in talk:
        match one:
            case User(text):
                made.append({"type": "human", "content": text})
            case Agent(text, calls):
                listed = [{"id": i, "name": name, "args": args, "type": "tool_call"} for i, name, args in calls]
                made.append({"type": "ai", "content": text, "tool_calls": listed})
            case Gave(call, name, value):
                made.append({"type": "tool", "content": as_text(value), "tool_call_id": call, "name": name})
    return made


def koog(talk: Talk) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for one in talk:
        match one:
            case User(text):
                made.append({"role": "user", "content": text})
            case Agent(text, calls):
                made += [{"role": "assistant", "content": text}] if text else []
                for i, name, args in calls:
                    call = {"function": {"name": name, "arguments": json.dumps(args)}, "id": i, "type": "function"}
                    made.append({"role": "tool", "content": json.dumps([call])})
            case Gave(_, _, value):
                made.append({"role": "tool", "content": as_text(value)})
    return made


def printed(talk: Talk) -> list[str]:
    made = []
    for one in chat(talk):
        head = f"role={one['role']!r} content={one['content']!r} name=None tool_call_id={one.get('tool_call_id')!r}"
        made.append(f"{head} tool_calls={one.get('tool_calls')!r} audio=None images=None metrics=Metrics(time=None)")
    return made


def blocks(talk: Talk) -> list[dict[str, Any]]:
    """LlamaIndex's messages."""
    made: list[dict[str, Any]] = []
    for one in talk:
        match one:
            case User(text):
                made.append({"role": "user", "additional_kwargs": {}, "blocks": [{"block_type": "text", "text": text}]})
            case Agent(text, calls):
                told: list[dict[str, Any]] = [{"block_type": "text", "text": text}] if text else []
                told += [
                    {"block_type": "tool_call", "tool_call_id": i, "tool_name": name, "tool_kwargs": args}
                    for i, name, args in calls
                ]
                made.append({"role": "assistant", "additional_kwargs": {}, "blocks": told})
            case Gave(call, _, value):
                extra = {"tool_call_id": call}
                text = {"block_type": "text", "text": as_text(value)}
                made.append({"role": "tool", "additional_kwargs": extra, "blocks": [text]})
    return made


def kernel(talk: Talk) -> list[dict[str, Any]]:
    """Semantic Kernel's events, each a message as text."""
    return [
        {"role": one["role"], "gen_ai.event.content": json.dumps({**one, "role": one["role"].capitalize()})} for one in chat(talk)
    ]


# ---------------------------------------------------------------------------------------------- what wraps them


def langfuse(asked: Any, answered: Any, **more: Any) -> dict[str, Any]:
    return {"id": "o", "traceId": "t", "type": "GENERATION", "name": "g", "input": asked, "output": answered, **more}


def single(make: Callable[[Talk, Agent], Any]) -> Callable[[Talk], Records]:
    """Write a record for each turn of the agent."""
    return lambda talk: [make(before, turn) for before, turn in turns(talk)]


def _responses(before: Talk, turn: Agent) -> Any:
    return {"input": items(before), "instructions": SYSTEM, "response": {"object": "response", "output": items([turn])}}


def _openinference(before: Talk, turn: Agent) -> Any:
    flat: dict[str, Any] = {"openinference.span.kind": "LLM"}
    for where, messages in (("input", chat(before)), ("output", chat([turn]))):
        for i, one in enumerate([one for one in messages if where == "input" or one["role"] != "system"]):
            head = f"llm.{where}_messages.{i}.message"
            for key in ("role", "content", "tool_call_id"):
                if one.get(key) is not None:
                    flat[f"{head}.{key}"] = one[key]
            for j, call in enumerate(one.get("tool_calls", [])):
                flat[f"{head}.tool_calls.{j}.tool_call.id"] = call["id"]
                for key in ("name", "arguments"):
                    flat[f"{head}.tool_calls.{j}.tool_call.function.{key}"] = call["function"][key]
    return otlp(flat)


def _otel_parts(before: Talk, turn: Agent) -> Any:
    return otlp(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system_instructions": json.dumps([{"type": "text", "content": SYSTEM}]),
            "gen_ai.input.messages": json.dumps(parts(before)),
            "gen_ai.output.messages": json.dumps(parts([turn])),
        }
    )


def _otel_events(before: Talk, turn: Agent) -> Any:
    events = []
    for one in chat(before):
        held = {"content": one["content"]} if one["content"] is not None else {}
        held |= {"tool_calls": json.dumps(one["tool_calls"])} if "tool_calls" in one else {}
        held |= {"id": one["tool_call_id"]} if "tool_call_id" in one else {}
        events.append({"name": f"gen_ai.{one['role']}.message", "attributes": held})
    answer = chat([turn], system=False)[0]
    events.append({"name": "gen_ai.choice", "attributes": {"index": 0, "message": json.dumps(answer)}})
    return {"name": "chat", "attributes": {"gen_ai.system": "x"}, "events": events}


def _otel_flat(before: Talk, turn: Agent) -> Any:
    flat: dict[str, Any] = {}
    for head, messages in (("gen_ai.prompt", chat(before)), ("gen_ai.completion", chat([turn], system=False))):
        for i, one in enumerate(messages):
            flat |= {f"{head}.{i}.{key}": one[key] for key in ("role", "content", "tool_call_id") if one.get(key) is not None}
            for j, call in enumerate(one.get("tool_calls", [])):
                flat[f"{head}.{i}.tool_calls.{j}.id"] = call["id"]
                flat |= {f"{head}.{i}.tool_calls.{j}.{key}": call["function"][key] for key in ("name", "arguments")}
    return {"attributes": flat}


def _otel_sdk(before: Talk, turn: Agent) -> Any:
    calls = [{"toolCallId": i, "toolName": name, "input": json.dumps(args)} for i, name, args in turn.calls]
    return {
        "attributes": {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.prompt.messages": json.dumps([{"role": "system", "content": SYSTEM}, *ai_sdk(before)]),
            **({"ai.response.text": turn.text} if turn.text else {}),
            **({"ai.response.toolCalls": json.dumps(calls)} if calls else {}),
        }
    }


def _sdk_answer(turn: Agent) -> Any:
    calls = [{"toolCallId": i, "toolName": name, "input": json.dumps(args)} for i, name, args in turn.calls]
    return {"text": turn.text, "toolCalls": calls} if turn.text and calls else calls or turn.text


def _candidates(turn: Agent, *, camel: bool = False) -> Any:
    return {"candidates": [{"content": gemini([turn], camel=camel)[0], "finish_reason": "STOP"}]}


def _adk(before: Talk, turn: Agent) -> Any:
    asked = {"model": "g", "config": {"system_instruction": SYSTEM}, "contents": gemini(before)}
    return langfuse(asked, {"content": gemini([turn])[0], "finish_reason": "STOP"})


def _vertex(before: Talk, turn: Agent) -> Any:
    asked = {"contents": gemini(before, camel=True), "systemInstruction": {"parts": [{"text": SYSTEM}]}}
    return langfuse(json.dumps(asked), json.dumps(_candidates(turn, camel=True)))


def _system_parts(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"role": "system", "parts": [{"type": "text", "content": SYSTEM}]}, *made]


def _langsmith(before: Talk, turn: Agent) -> Any:
    asked = [{"type": "system", "content": SYSTEM}, *langchain(before)]
    generations = [[{"message": langchain([turn])[0], "text": turn.text}]]
    return {"id": "r", "run_type": "llm", "inputs": {"messages": [asked]}, "outputs": {"generations": generations}}


def _litellm(before: Talk, turn: Agent) -> Any:
    message = chat([turn], system=False)[0]
    return {
        "call_type": "acompletion",
        "model_parameters": {},
        "messages": chat(before),
        "response": {"choices": [{"message": message}]},
    }


def _inspect(talk: Talk) -> Records:
    made: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}]
    for one in talk:
        match one:
            case User(text):
                made.append({"role": "user", "content": text})
            case Agent(text, calls):
                listed = [{"id": i, "function": name, "arguments": args, "type": "function"} for i, name, args in calls]
                made.append({"role": "assistant", "content": text, "tool_calls": listed})
            case Gave(call, name, value):
                made.append({"role": "tool", "content": as_text(value), "tool_call_id": call, "function": name})
    return [{"id": "s", "epoch": 1, "input": "x", "target": "", "messages": made}]


def _history(talk: Talk) -> list[dict[str, Any]]:
    made = []
    for one in chat(talk):
        ids = {"tool_call_ids": [one["tool_call_id"]]} if "tool_call_id" in one else {}
        made.append({**{key: value for key, value in one.items() if key != "tool_call_id"}, **ids, "agent": "main"})
    return made


def _mlflow(before: Talk, turn: Agent, *, gemini_too: bool = False) -> Any:
    asked: Any = {"messages": chat(before)}
    answered: Any = {"choices": [{"message": chat([turn], system=False)[0]}]}
    if gemini_too:
        asked = {"contents": gemini(before), "config": {"system_instruction": SYSTEM}}
        answered = _candidates(turn)
    held = {"mlflow.spanInputs": json.dumps(asked), "mlflow.spanOutputs": json.dumps(answered)}
    return {"data": {"spans": [{"attributes": {"mlflow.spanType": '"CHAT_MODEL"', **held}}]}}


def _events(talk: Talk) -> Records:
    made: list[dict[str, Any]] = []
    for one in talk:
        match one:
            case User(text):
                made.append({"type": "user_message", "data": text, "role": "input"})
            case Agent(text, calls):
                if text:
                    made.append({"type": "respond", "data": {"message": text}, "role": "step", "call": f"said {len(made)}"})
                made += [{"type": name, "data": args, "role": "step", "call": i} for i, name, args in calls]
            case Gave(call, name, value):
                made.append({"type": f"{name}_result", "data": value, "role": "result", "call": call})
    return [{"events": made}]


SHAPES: dict[str, Callable[[Talk], Records]] = {
    "openai": lambda talk: [{"messages": chat(talk)}],
    "openai, request": single(lambda before, turn: {"messages": chat(before), "response": chat([turn], system=False)[0]}),
    "openai, AI SDK": lambda talk: [{"messages": [{"role": "system", "content": SYSTEM}, *ai_sdk(talk)]}],
    "openai, parts": lambda talk: [{"messages": _system_parts(parts(talk))}],
    "responses": lambda talk: [[{"role": "system", "content": SYSTEM}, *items(talk)]],
    "responses, request": single(_responses),
    "anthropic": lambda talk: [{"system": SYSTEM, "messages": anthropic(talk)}],
    "anthropic, request": single(
        lambda before, turn: {"system": SYSTEM, "messages": anthropic(before), "response": anthropic([turn])[0]}
    ),
    "inspect": _inspect,
    "events": _events,
    "sweagent": lambda talk: [{"history": _history(talk), "trajectory": []}],
    "promptfoo": single(
        lambda before, turn: {
            "prompt": {"raw": json.dumps(chat(before))},
            "response": {"output": chat([turn], system=False)[0] if turn.calls else turn.text},
        }
    ),
    "calls": single(lambda before, turn: {"input": json.dumps(chat(before)), "output": chat([turn], system=False)[0]}),
    "calls, Vertex": single(
        lambda before, turn: {
            "full_request": {"contents": gemini(before, camel=True), "systemInstruction": {"parts": [{"text": SYSTEM}]}},
            "full_response": _candidates(turn, camel=True),
        }
    ),
    "calls, Bedrock": single(
        lambda before, turn: {
            "input": {"inputBodyJson": {"system": [{"text": SYSTEM}], "messages": bedrock(before)}},
            "output": {"outputBodyJson": {"output": {"message": bedrock([turn])[0]}}},
        }
    ),
    "mlflow": single(_mlflow),
    "mlflow, Gemini": single(lambda before, turn: _mlflow(before, turn, gemini_too=True)),
    "litellm": single(_litellm),
    "otel, parts": single(_otel_parts),
    "otel, events": single(_otel_events),
    "otel, flat": single(_otel_flat),
    "otel, AI SDK": single(_otel_sdk),
    "openinference": single(_openinference),
    "langsmith": single(_langsmith),
    "langfuse, openai": single(lambda before, turn: langfuse(chat(before), chat([turn], system=False)[0])),
    "langfuse, anthropic": single(
        lambda before, turn: langfuse({"system": SYSTEM, "messages": anthropic(before)}, anthropic([turn])[0])
    ),
    "langfuse, bedrock": single(
        lambda before, turn: langfuse(
            {"system": [{"text": SYSTEM}], "messages": bedrock(before)}, {"output": {"message": bedrock([turn])[0]}}
        )
    ),
    "langfuse, responses": single(
        lambda before, turn: langfuse({"instructions": SYSTEM, "input": items(before)}, {"output": items([turn])})
    ),
    "langfuse, pydantic-ai": single(
        lambda before, turn: langfuse(_system_parts(parts(before, result="result", by="user")), parts([turn]))
    ),
    "langfuse, Microsoft": single(
        lambda before, turn: langfuse(_system_parts(parts(before, listed=True)), parts([turn], listed=True))
    ),
    "langfuse, Semantic Kernel": single(lambda before, turn: langfuse(kernel(before), kernel([turn])[-1])),
    "langfuse, ADK": single(_adk),
    "langfuse, Vertex": single(_vertex),
    "langfuse, AI SDK": single(
        lambda before, turn: langfuse([{"role": "system", "content": SYSTEM}, *ai_sdk(before)], _sdk_answer(turn))
    ),
    "langfuse, langchain": single(
        lambda before, turn: langfuse([{"type": "system", "content": SYSTEM}, *langchain(before)], langchain([turn])[0])
    ),
    "langfuse, koog": single(
        lambda before, turn: langfuse([{"role": "system", "content": SYSTEM}, *koog(before)], _koog_answer(turn))
    ),
    "langfuse, agno": single(lambda before, turn: langfuse({"messages": printed(before)}, printed([turn])[-1])),
    "langfuse, LlamaIndex": single(
        lambda before, turn: langfuse(
            {"args": [[{"role": "system", "blocks": [{"block_type": "text", "text": SYSTEM}]}, *blocks(before)]]},
            {"message": blocks([turn])[0]},
        )
    ),
}


def _koog_answer(turn: Agent) -> Any:
    return [{**one, "role": "assistant", "finish_reason": "stop"} for one in koog([turn])]


TOLD: dict[str, Talk] = {
    "words": [User("Is the tide in?"), Agent("It is.")],
    "a call": [User("Ring"), Agent(calls=(("c1", "ring", {"times": 2}),)), Gave("c1", "ring", {"rung": 2}), Agent("Rung.")],
    "a call without arguments": [User("Look"), Agent(calls=(("c1", "look", {}),)), Gave("c1", "look", "fog"), Agent("Fog.")],
    "words beside a call": [
        User("Ring"),
        Agent("Gladly.", (("c1", "ring", {"times": 2}),)),
        Gave("c1", "ring", "done"),
        Agent("Rung."),
    ],
    "calls at once": [
        User("Ring and look"),
        Agent(calls=(("c1", "ring", {"times": 1}), ("c2", "look", {"at": "pier"}))),
        Gave("c1", "ring", {"rung": 1}),
        Gave("c2", "look", {"seen": ["gull", "buoy"]}),
        Agent("Both."),
    ],
    "calls in a row": [
        User("Ring, then look"),
        Agent(calls=(("c1", "ring", {"times": 1}),)),
        Gave("c1", "ring", {"rung": 1}),
        Agent(calls=(("c2", "look", {"at": "pier"}),)),
        Gave("c2", "look", "a gull"),
        Agent("A gull."),
    ],
    "several questions": [User("Hello"), Agent("Ahoy."), User("Tide?"), Agent("High."), User("Thanks"), Agent("Fair winds.")],
    "a failure": [
        User("Moor"),
        Agent(calls=(("c1", "moor", {"berth": 4}),)),
        Gave("c1", "moor", {"error": "taken"}),
        Agent(calls=(("c2", "moor", {"berth": 5}),)),
        Gave("c2", "moor", {"ok": True}),
        Agent("Moored at 5."),
    ],
    "deep arguments": [
        User("Load"),
        Agent(calls=(("c1", "load", {"crates": [{"of": "cod", "n": 1.5}, {"of": "rope"}], "by": None, "now": True}),)),
        Gave("c1", "load", {"loaded": [1, 2], "left": {"n": 0}}),
        Agent("Loaded."),
    ],
    "odd texts": [
        User('Zeile 1\nline 2: "quoted" <b>ü</b> 🚢 {not json'),
        Agent(calls=(("c1", "note", {"text": 'a\\b\n"c" 🚢'}),)),
        Gave("c1", "note", "ok:\n- 1\n- 2"),
        Agent("Noted: “ok”.\n\nMore?"),
    ],
}
"""Ten conversations."""
