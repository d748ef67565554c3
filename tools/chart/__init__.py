"""What of the chart is made from something else: copies, the schema of its values, its README.

`python -m tools.chart generate` writes them, `python -m tools.chart check` says which are out of date.
"""
