"""
A report for people: in the terminal, and as a page of HTML.
"""
