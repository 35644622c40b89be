"""Reference pages as lines of Markdown, each made from the code that it describes."""
