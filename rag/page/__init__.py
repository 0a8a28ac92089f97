"""The page that a browser shows: one module a tab, each with its own HTML, its style and its events.

In: what `rag.assistant` returns. Out: Gradio components, put together by ``app.py``. Nothing here knows how anything is
found, written or checked. Gradio is imported inside the functions that draw, and nowhere else in the package.
"""
