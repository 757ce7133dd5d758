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
    "Python's objects": "[FunctionCall(id='c1', arguments='{\"id\": 7}', name='find')]",
    "Python's dicts": "{'name': 'find', 'arguments': {'id': 7}}",
    "broken JSON": '{"name": "find", "arguments": {"id": 7',
    "JSON in JSON": '"{\\"name\\": \\"find\\", \\"arguments\\": {}}"',
    "Gemini's code": "```tool_code\nfind(id=7)\n```",
    "ReAct, in brackets": "Thought: hm\nAction: find[7]",
    "Harmony's": "<|channel|>commentary to=functions.find <|message|>{}",
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
    "under a heading": "The talk so far:\nuser: hi\nassistant: ho",
    "with times": "[10:31] user: hi\n[10:32] assistant: ho",
    "with names": "User (Ann): hi\nAgent (Bo): ho",
    "Vicuna's": "A chat. USER: hi ASSISTANT: ho",
    "JSON Lines": '{"role": "user", "content": "hi"}\n{"role": "assistant", "content": "ho"}',
    "Python's dicts": "[{'role': 'user', 'content': 'hi'}, {'role': 'assistant', 'content': 'ho'}]",
    "elements": '<message role="user">hi</message><message role="assistant">ho</message>',
    "YAML": "- role: user\n  content: hi",
    "a first step": "<slack_message>\nhi\n</slack_message>\n<list_tags>\n</list_tags>",
    "headings": "### User:\nhi\n### Assistant:\nho",
}
