"""What repeated runs prove: intervals, tests, and their verdicts in words.

Knows samples and names; runs nothing, and knows neither streams nor how a report looks.
"""
