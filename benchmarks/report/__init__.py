"""The report beside its bars: how large, how soon made, ready and answering; and on six journals.

`python -m benchmarks.report.run`; `journals` makes the journals, `browser` drives Chromium.
"""
