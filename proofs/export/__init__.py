"""Files for other tools: what a certificate or a candidate holds, in their formats.

Read in this order: ``source`` (what is exported), ``formats`` (which formats there are), and one
file a format. Everything is written from tapes; nothing is trained, proved or evaluated here.
"""
