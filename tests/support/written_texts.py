"""Calls and transcripts as models and loggers write them in a text."""

from __future__ import annotations

import json

ARGS = {"id": 7}
CALLS = {
    "Hermes": '<tool_call>\n{"name": "find", "arguments": {"id": 7}}\n</tool_call>',
    "Anthropic's older": '<function_calls><invoke name="find"></invoke></function_calls>',
    "Llama's": "<|python_tag|>find.call(id=7)",
    "Llama's tags": "<function=find>{}</function>",
    "Mistral's": '[TOOL_CALLS] [{"name": "find", "arguments": {"id": 7}}]',
    "DeepSeek's": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>find",
    "ReAct": 'Thought: I look.\nAction: find\nAction Input: {"id": 7}',
    "ReAct, bold": "**Action:** find\n**Action Input:** 7",
    "LangChain's JSON": 'I look.\n```json\n{"action": "find", "action_input": {"id": 7}}\n```',
    "an API's": json.dumps({"tool_calls": [{"function": {"name": "find", "arguments": "{}"}}]}),
    "a list": json.dumps([{"name": "find", "parameters": ARGS}]),
    "behind words": f"Let me look. {json.dumps({'name': 'find', 'arguments': ARGS})}",
    "a step": json.dumps({"intent": "find", "id": 7}),
    "Gemini's": json.dumps({"functionCall": {"name": "find", "args": ARGS}}),
    "Python's": "[find(id=7)]",
}
TRANSCRIPTS = {
    "lines": "system: You help.\nuser: where is it?",
    "lines with answers": "User: hi\nAssistant: None\nUser: where?",
    "Anthropic's older": "\n\nHuman: where is it?\n\nAssistant: where is what?\n\nHuman: the anchor",
    "ChatML": "<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\nwhere?<|im_end|>",
    "Llama's": "<|start_header_id|>user<|end_header_id|>\nhi<|start_header_id|>assistant<|end_header_id|>",
    "Gemma's": "<start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\n",
    "objects": "[HumanMessage(role='user', content='hi'), AIMessage(role='assistant', content='ho')]",
    "JSON": json.dumps([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]),
    "JSON of events": f"Thread:\n{json.dumps([{'type': 'note', 'data': 1}, {'type': 'find', 'data': {}}])}",
    "tags": "<user_message>\nhi\n</user_message>\n<find>\nid: 7\n</find>\n<find_result>\nhome\n</find_result>",
    "headings": "### User:\nhi\n### Assistant:\nho",
}
