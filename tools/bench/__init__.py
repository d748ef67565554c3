"""`make bench`: how late every-minute schedules start, ours beside the CronJob controller's, counted from outside.

What is counted comes from a watch on Jobs by a process of its own; no contender's tables or metrics are asked. The page
that it writes is made as a whole from the figures beside it, so that each number has its command.
"""
