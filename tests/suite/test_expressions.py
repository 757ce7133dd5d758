"""The expressions of ``-k``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.suite.expressions import compile_expression

TEXT = "deploy::prod-approval[Deploy,none,xml_yaml,tool,gpt-4.1]#0 approval hard"


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("approval", True),
        ("APPROVAL", True),
        ("staging", False),
        ("not staging", True),
        ("not not staging", False),
        ("approval and xml", True),
        ("approval and staging", False),
        ("staging or hard", True),
        ("staging and hard or approval", True),
        ("approval or staging and nothing", True),
        ("(approval or staging) and nothing", False),
        ("not approval or hard", True),
        ("not staging and nothing", False),
        ("not (approval or hard)", False),
        ("(((hard)))", True),
        ("not(staging)", True),
        ("[Deploy,none,xml_yaml,tool,gpt-4.1]#0", True),
        ("deploy::prod", True),
        ("android", False),
        ("deploy and keep_events(10)", False),
        ("keep_events(10) or hard", True),
        ("not keep_events(10)", True),
        ("(keep_events(3),xml)", False),
        ("deploy and(hard or not(staging))", True),
        ("deploy and trace(tag=xml indent=2)", False),
        ("not trace(tag=xml indent=2)", True),
        ("deploy and(hard or trace(tag=xml indent=2))", True),
    ],
)
def test_an_expression_holds_where_its_words_do(expression: str, holds: bool) -> None:
    assert compile_expression(expression)(TEXT) is holds


def test_parameters_of_a_format_are_a_part_of_its_name() -> None:
    text = TEXT.replace("xml_yaml", "trace(tag=xml indent=2)")
    assert compile_expression("hard and trace(tag=xml indent=2),tool")(text)
    assert not compile_expression("trace(tag=xml indent=4)")(text)
    assert compile_expression("tag=xml and indent=2 and not ,trace,")(text)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "a word was expected at the end"),
        ("a and", "a word was expected at the end"),
        ("not", "a word was expected at the end"),
        ("and a", "a word was expected, not 'and'"),
        ("a or or b", "a word was expected, not 'or'"),
        ("a b", "'b' stands where 'and', 'or' or the end was expected"),
        ("(a", "a closing parenthesis is missing"),
        ("a)", "')' stands where 'and', 'or' or the end was expected"),
        ("()", "a word was expected, not ')'"),
        ("trace(tag=xml and hard)", "'(' stands where 'and', 'or' or the end was expected"),
        ("keep_events(10", "'(' stands where 'and', 'or' or the end was expected"),
    ],
)
def test_an_expression_that_isnt_one(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"expected|missing") as error:
        compile_expression(expression)
    assert str(error.value) == message


EXPRESSIONS = st.recursive(
    st.sampled_from(["deploy", "xml", "staging", "easy"]),
    lambda inner: st.one_of(
        inner.map("not ({})".format),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: "({}) {} ({})".format(*parts)),
    ),
)


@given(EXPRESSIONS)
def test_an_expression_means_what_it_means_in_python(expression: str) -> None:
    words = {word: word in TEXT for word in ("deploy", "xml", "staging", "easy")}
    assert compile_expression(expression)(TEXT) is eval(expression, {}, words)
