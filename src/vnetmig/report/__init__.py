"""What people and programs read: documents as tables, plain text and JSON.

Knows documents and how to say what is in them; opens nothing, prints nothing, decides nothing.
"""
