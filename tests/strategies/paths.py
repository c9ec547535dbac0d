"""Texts that are paths and texts that are none, and patterns of the same few segments."""

from __future__ import annotations

from hypothesis import strategies as st

WRONG = {
    "empty": "", "relative": "a/b", "dot before": "./a", "two dots": "/public/../admin", "two dots last": "/a/..",
    "a dot": "/a/./b", "a dot alone": "/.", "empty segment": "/a//b", "two slashes": "//", "two slashes first": "//admin",
    "slash at the end": "/a/", "encoded dot": "/a/%2e%2e/b", "encoded slash": "/a%2Fb", "percent": "/100%",
    "backslash": "/a\\b", "query": "/a?b=1", "fragment": "/a#b", "parameter": "/a;b=1/c", "star": "/a/*",
    "two stars": "/a/**", "null": "/a\0b", "newline": "/a\nb", "newline last": "/a\n", "delete": "/a\x7f",
    "next line": "/a\x85b", "tab": "/a\t/b", "dot at the end": "/a./b", "three dots": "/a/...", "space at the end": "/a /b",
    "space last": "/a ", "a space": "/ ", "a space before": " /a", "dot and space": "/a. /b", "half a pair": "/a\ud800",
    "too long": "/" + "a" * 4_096, "too deep": "/a" * 257, "url": "https://a.example/b", "drive": "C:/a",
}  # fmt: skip
"""Texts that are no paths, by what is wrong with them."""

RIGHT = (
    "/", "/a", "/a/b", "/.hidden", "/a.b/..c", "/a b/ c", "/é/日本", "/A", "/-", "/~", "/{x}", "/a=b&c,d", '/"', "/'", "/@:!$",
    "/a" * 256, "/" + "a" * 4_095, "/\u2025", "/a\u200b", "/...a",
)  # fmt: skip
"""Texts that are paths."""

_SEGMENTS = st.sampled_from(("a", "b", "ab", "ba", "aab", ".a", "A"))
_PARTS = st.one_of(
    st.sampled_from(("*", "**", "a*", "*b", "*a*", "a*b", "*a*b", "*.*", "*b*b*")), _SEGMENTS
)

PATHS = st.lists(_SEGMENTS, max_size=7).map(lambda segments: f"/{'/'.join(segments)}")
PATTERNS = st.lists(_PARTS, max_size=6).map(lambda parts: f"/{'/'.join(parts)}")

ANY_TEXT = st.one_of(
    st.text(alphabet="/a.% *\\?#;\n\x7f\x85é\u2028", max_size=12).map(lambda text: f"/{text}"),
    st.text(max_size=12),
)
